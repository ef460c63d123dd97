import { formatAddress } from '../service';
import type { ServiceAddress as PluginAddress } from '../service';

export { formatAddress, parseAddress } from '../service';
export type { ServiceAddress as PluginAddress } from '../service';

/** Where docker finds a plugin's socket without being told. */
export const PLUGIN_SOCKETS = '/run/docker/plugins';

/** The file that tells docker of the plugin; nothing where docker looks for the socket itself. */
export interface SpecFile {
  readonly fileName: string;
  readonly text: string;
}

/** What docker has to be told of a plugin of this name at this address. */
export function specFileFor(name: string, address: PluginAddress): SpecFile | undefined {
  const text = formatAddress(address);
  if (address.type === 'tcp') {
    const spec = { Name: name, Addr: text.replace(/^tcp:/, 'http:') };
    return { fileName: `${name}.json`, text: `${JSON.stringify(spec)}\n` };
  }
  if (address.path === `${PLUGIN_SOCKETS}/${name}.sock`) return undefined;
  return { fileName: `${name}.spec`, text: `${text}\n` };
}
