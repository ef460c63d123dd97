export type { DockerPluginOptionsInput } from './options';
export { DockerPlugin } from './plugin';
export type { DockerPluginState } from './plugin';
