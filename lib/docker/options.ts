import {
  defineShape,
  optional,
  parseLogger,
  parseNetns,
  parsePath,
  parseTimeoutMs,
  refuse,
  SILENT_LOGGER,
  withDefault,
} from '../model';
import type { Logger } from '../model';
import { LmdbStore, parseStoreProvider } from '../store';
import type { StoreProvider } from '../store';
import { parseAddress, PLUGIN_SOCKETS } from './address';
import type { PluginAddress } from './address';

/** Options of a {@link DockerPlugin}. */
export interface DockerPluginOptionsInput {
  /** What docker calls the driver: `docker network create -d <name>`. Default: `snnet`. */
  readonly name?: string | undefined;
  /** Where to listen: `unix:///path`, or `tcp://127.0.0.1:port`. Default: `/run/docker/plugins/<name>.sock`. */
  readonly address?: string | undefined;
  /** Where docker reads of plugins that have no socket in `/run/docker/plugins`. Default: `/etc/docker/plugins`. */
  readonly specDir?: string | undefined;
  /** Where the store lies, in a directory of the plugin's name. Default: `/var/lib/libsnnet/docker`. */
  readonly dataDir?: string | undefined;
  /** Another store; the plugin opens and closes it. Default: an {@link LmdbStore} in `dataDir`. */
  readonly store?: StoreProvider | undefined;
  /** The network namespace that dockerd lives in: a path, or a name under `/run/netns`. Default: the process's own. */
  readonly netns?: string | undefined;
  /** Milliseconds until docker is answered, whatever happens, 1 to 86400000. Default: 5000. */
  readonly timeoutMs?: number | undefined;
  /** Where log lines go. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** Parsed {@link DockerPluginOptionsInput}. */
export interface DockerPluginOptions {
  readonly name: string;
  readonly address: PluginAddress;
  readonly specDir: string;
  readonly store: StoreProvider;
  readonly netns?: string;
  readonly timeoutMs: number;
  readonly logger: Logger;
}

// Docker asks for less, but it is a file's name too.
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

const parseShape = defineShape('options', {
  name: withDefault(parseName, 'snnet'),
  address: optional(parseAddress),
  specDir: withDefault(parsePath, '/etc/docker/plugins'),
  dataDir: withDefault(parsePath, '/var/lib/libsnnet/docker'),
  store: optional(parseStoreProvider),
  netns: optional(parseNetns),
  timeoutMs: withDefault(parseTimeoutMs, 5000),
  logger: withDefault<Logger>(parseLogger, SILENT_LOGGER),
});

/** Parses the options of a plugin. */
export function parsePluginOptions(input: unknown, operation: string): DockerPluginOptions {
  const { dataDir, ...parsed } = parseShape(input, operation);
  const { name } = parsed;
  const usual: PluginAddress = { type: 'unix', path: `${PLUGIN_SOCKETS}/${name}.sock` };
  return Object.freeze({
    ...parsed,
    address: parsed.address ?? usual,
    store: parsed.store ?? new LmdbStore({ directory: `${dataDir}/${name}` }),
  });
}

function parseName(value: unknown, field: string): string {
  return typeof value === 'string' && NAME.test(value)
    ? value
    : refuse(value, field, 'a name of letters, digits, _ . and -');
}
