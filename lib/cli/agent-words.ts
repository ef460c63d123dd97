import { readConfigFile } from './config-file';
import { CommandFailure, EXIT } from './failure';

/** The original's flags by our names; Go takes them with one dash or two. */
const FLAGS: Readonly<Record<string, string>> = {
  server: '--server',
  cacert: '--cacert',
  cert: '--cert',
  'compute-net': '--compute-net',
  'mgmt-net': '--management-net',
  network: '--network',
  ssh: '--ssh',
  uuid: '--id',
};
const SWITCHES: ReadonlySet<string> = new Set(['network', 'ssh']);
/** Of the original's log library: its files are the service manager's business now. */
const LOG_VALUES: ReadonlySet<string> = new Set([
  'log_dir',
  'log_backtrace_at',
  'stderrthreshold',
  'vmodule',
]);
const TAKES_VALUE: ReadonlySet<string> = new Set([...Object.keys(FLAGS), 'v', ...LOG_VALUES]);
const LOG_SWITCHES: ReadonlySet<string> = new Set(['alsologtostderr', 'logtostderr']);
const FLAG = /^--?([a-z_-]+)(?:=(.*))?$/s;

/**
 * The words of a command line for `snnet agent`: flags of the original become ours, and what a configuration
 * file says comes before what the words say. Other command lines stay as they are.
 */
export function agentWords(words: readonly string[]): readonly string[] {
  const place = words.findIndex((word) => !word.startsWith('-'));
  if (words[place] !== 'agent') return words;
  const own = fromGoFlags(words.slice(place + 1));
  const file = valueOf(own, '--config');
  const asked = file === undefined ? [] : configWords(readConfigFile(file), own);
  return [...words.slice(0, place + 1), ...asked, ...own];
}

/** Go's manners: one dash, `-flag=value`, and a switch that takes no word after it. */
export function fromGoFlags(words: readonly string[]): readonly string[] {
  const out: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [, name = '', inline] = FLAG.exec(word) ?? [];
    if (SWITCHES.has(name)) {
      const isNext = inline === undefined && /^(?:true|false)$/.test(rest[0] ?? '');
      out.push(`--${name}=${inline ?? (isNext ? String(rest.shift()) : 'true')}`);
    } else if (TAKES_VALUE.has(name)) {
      out.push(...translated(name, inline ?? rest.shift()));
    } else if (!LOG_SWITCHES.has(name)) {
      out.push(word);
    }
  }
  return out;
}

/** A configuration's entries as options, but for those that the words give. */
export function configWords(config: object, words: readonly string[]): readonly string[] {
  return Object.entries(config).flatMap(([name, value]: [string, unknown]) => {
    const option = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (name === 'config' || valueOf(words, option) !== undefined || words.includes(option))
      return [];
    return optionWords(name, option, value);
  });
}

function optionWords(name: string, option: string, value: unknown): readonly string[] {
  if (SWITCHES.has(name) && typeof value === 'boolean') return [`${option}=${String(value)}`];
  if (value === true) return [option];
  if (value === false) return name === 'dhcp' ? ['--no-dhcp'] : [];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.map((one) => {
    if (typeof one === 'string' || typeof one === 'number') return `${option}=${String(one)}`;
    const expected = 'a text, a number, true, false, or a list of texts';
    throw new CommandFailure(`configuration: ${name}: expected ${expected}`, EXIT.usage);
  });
}

function translated(name: string, value: string | undefined): readonly string[] {
  // An empty value is the original's way to say: not given.
  if (value === undefined || value === '' || LOG_VALUES.has(name)) return [];
  if (name === 'v') return Number(value) > 0 ? ['--verbose'] : [];
  return [`${String(FLAGS[name])}=${value}`];
}

function valueOf(words: readonly string[], option: string): string | undefined {
  const place = words.findLastIndex((word) => word === option || word.startsWith(`${option}=`));
  const word = words[place];
  if (word === undefined) return undefined;
  return word === option ? words[place + 1] : word.slice(option.length + 1);
}
