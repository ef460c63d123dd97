export { SsntpAgentTransport } from './agent-transport';
export { claimSsntpIdentity } from './identity';
export type { SsntpIdentity, SsntpIdentityOptions } from './identity';
export { SsntpLauncherTransport } from './launcher-transport';
