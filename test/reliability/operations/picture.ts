/**
 * All that an operation can leave, in the words of the official tools: links, addresses, routes,
 * neighbours, forwarding entries, rules, settings, servers and files. What is chosen by chance (names,
 * indexes, MACs of bridges) goes by the alias of its link, so that two pictures of one state are equal.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { isFallbackLink } from '../../support/leaks';
import { processesByNamespace } from '../../support/namespaces';
import { run } from '../../support/run';
import type { IpAddress, IpLink, IpNeighbour, IpRoute, FdbEntry } from '../../support/oracle';
import type { Scene } from './operation';

/** Sorted lines. */
export type Picture = readonly string[];

// As few programs as possible: their start is what a picture costs.
const IP = ['ip', '-j', '-d', '-4', '-batch', '-'];
const QUESTIONS = [
  'link show',
  'address show',
  'route show table all',
  'neighbour show nud permanent',
].join('\n');
const SETTINGS = ['ipv4/conf/*/arp_ignore', 'ipv4/conf/*/rp_filter', 'ipv4/ip_forward'].concat(
  ['accept_ra', 'disable_ipv6'].map((name) => `ipv6/conf/*/${name}`),
);
const MARK = '--8<--';
const LOOK = [
  IP.join(' '),
  'bridge -j -d fdb show',
  'nft list ruleset',
  `cd /proc/sys/net; exec grep -s . ${SETTINGS.join(' ')}`,
].join(`; echo '${MARK}'; `);

/** Looks at everything. */
export async function takePicture(scene: Scene): Promise<Picture> {
  const [node, container] = await Promise.all([
    lookAtNode(scene.node),
    lookAtContainer(scene.container),
  ]);
  return [
    ...node.map((line) => `node: ${line}`),
    ...container.map((line) => `container: ${line}`),
    ...listServers(scene),
    ...listFiles(scene.directory),
  ].sort();
}

/** What is in one picture and not in the other, as a patch would say it. */
export function compare(is: Picture, wanted: Picture): readonly string[] {
  const missing = [...wanted];
  const extra = is.filter((line) => {
    const at = missing.indexOf(line);
    if (at >= 0) missing.splice(at, 1);
    return at < 0;
  });
  return [...missing.map((line) => `- ${line}`), ...extra.map((line) => `+ ${line}`)];
}

async function lookAtNode(netns: string): Promise<string[]> {
  const text = await ask(netns, ['sh', '-c', LOOK]);
  const [ip = '', fdb = '', ruleset = '', settings = ''] = text.split(MARK).map((it) => it.trim());
  const names = nameLinks(linksIn(ip));
  const named: Named = (ifname) => names.get(ifname ?? '') ?? String(ifname);
  return [
    ...describeAnswers(ip, named),
    ...read<FdbEntry>(fdb).flatMap((entry) => describeEntry(entry, named)),
    ...describeRuleset(ruleset, named),
    ...describeSettings(settings, names),
  ];
}

async function lookAtContainer(netns: string): Promise<string[]> {
  return describeAnswers(await ask(netns, IP), String);
}

async function ask(netns: string, argv: readonly string[]): Promise<string> {
  const { stdout } = await run(['nsenter', `--net=${netns}`, ...argv], {
    input: `${QUESTIONS}\n`,
    check: false,
  });
  return stdout;
}

function linksIn(answers: string): readonly IpLink[] {
  return read<IpLink>(answers.split('\n')[0] ?? '').filter(({ ifname }) => !isFallbackLink(ifname));
}

/** A line for each question. */
function describeAnswers(answers: string, named: Named): string[] {
  const [, addresses = '', routes = '', neighbours = ''] = answers.split('\n');
  return [
    ...linksIn(answers).map((link) => describeLink(link, named)),
    ...read<{ ifname: string; addr_info: IpAddress[] }>(addresses).flatMap((row) =>
      row.addr_info.map((it) => `address ${named(row.ifname)} ${it.local}/${it.prefixlen}`),
    ),
    ...read<IpRoute>(routes).map((route) => describeRoute(route, named)),
    ...read<IpNeighbour>(neighbours).map(
      ({ dst, dev, lladdr }) => `neighbour ${named(dev)} ${dst} ${String(lladdr)}`,
    ),
  ];
}

function read<T>(text: string): T[] {
  const rows = text === '' ? [] : (JSON.parse(text) as T[]);
  // Some versions put `{}` where nothing applies.
  return rows.filter((row) => Object.keys(row as object).length > 0);
}

/** A link goes by its alias; what has none, and is the other end of one that has, by that. */
function nameLinks(links: readonly IpLink[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { ifname, ifalias } of links) names.set(ifname, ifalias ?? ifname);
  for (const { ifname, ifalias, link } of links) {
    const other = link === undefined ? undefined : links.find((row) => row.ifname === link);
    if (ifalias === undefined && other?.ifalias !== undefined && other.link === ifname)
      names.set(ifname, `peer of ${other.ifalias}`);
  }
  return names;
}

type Named = (ifname: string | undefined) => string;

const KINDS_WITH_MAC = ['veth', 'macvtap'];
const DATA = ['id', 'local', 'remote', 'port', 'ikey', 'okey', 'mode', 'multi_queue', 'persist'];

function describeLink(link: IpLink, named: Named): string {
  const { info_kind: kind = 'none', info_data: data = {} } = link.linkinfo ?? {};
  // Others are chosen by chance.
  const hasOwnMac = KINDS_WITH_MAC.includes(kind) && link.address?.startsWith('02:00:ac:') === true;
  const words = {
    kind,
    mtu: link.mtu,
    up: link.flags.includes('UP'),
    master: link.master && named(link.master),
    link: link.link && named(link.link),
    altnames: link.altnames?.map(withoutInode),
    mac: hasOwnMac ? link.address : undefined,
    txqlen: link.txqlen,
    hairpin: link.linkinfo?.info_slave_data?.['hairpin'],
    ...Object.fromEntries(DATA.map((name) => [name, data[name]])),
  };
  const said = Object.entries(words).filter(([, value]) => value !== undefined && value !== false);
  return `link ${named(link.ifname)} ${JSON.stringify(Object.fromEntries(said))}`;
}

function withoutInode(altName: string): string {
  return altName.replace(/^cni\.\d+\./, 'cni.<inode>.');
}

function describeRoute({ dst, gateway, dev, metric }: IpRoute, named: Named): string {
  const via = gateway === undefined ? '' : ` via ${gateway}`;
  return `route ${dst}${via} dev ${named(dev)} ${String(metric ?? '')}`.trimEnd();
}

/** Entries that somebody made; a link's own address and what was learnt come by themselves. */
function describeEntry(entry: FdbEntry, named: Named): string[] {
  const isPinned = entry.flags.includes('sticky');
  if (entry.dst === undefined && !isPinned) return [];
  const to = entry.dst === undefined ? 'pinned' : `dst ${entry.dst}`;
  return [`fdb ${named(entry.ifname)} ${entry.mac} ${to}`];
}

/**
 * A line for each chain and each set. In words: nft 1.0.6 cannot put a table that outlived its process
 * into JSON. Whose process has it is no matter of its state.
 */
function describeRuleset(text: string, named: Named): string[] {
  let table = '';
  return text
    .replaceAll(/ # progname .*$|^\tflags [\w,]*\n/gm, '')
    .replaceAll(/"([^"]*)"/g, (_, ifname: string) => `"${named(ifname)}"`)
    .split(/^(?=table )|(?<=\n)(?=\t(?:chain|set|map) )/gm)
    .flatMap((block) => {
      const words = block.replaceAll(/^}$/gm, '').trim().split(/\s+/);
      if (words[0] === 'table') table = words.slice(1, 3).join(' ');
      return words.length < 2 ? [] : [`nft ${table} ${sortElements(words.join(' '))}`];
    });
}

function sortElements(block: string): string {
  return block.replace(/elements = \{(.*?)\}/, (_, list: string) => {
    return `elements = {${list.split(',').sort().join(',')}}`;
  });
}

function describeSettings(text: string, names: ReadonlyMap<string, string>): string[] {
  return text.split('\n').flatMap((line) => {
    const [, before = '', ifname, name = '', value = ''] =
      /^(ipv[46])\/(?:conf\/(.+)\/)?(\w+):(.*)$/.exec(line) ?? [];
    const isOurs = ifname === undefined || names.get(ifname) !== ifname;
    if (before === '' || !isOurs || ['all', 'default'].includes(ifname ?? '')) return [];
    return [
      `setting ${before} ${ifname === undefined ? '' : String(names.get(ifname))} ${name}=${value}`,
    ];
  });
}

function listServers({ node }: Scene): string[] {
  const { ino } = statSync(node);
  const pids = processesByNamespace().get(`net:[${String(ino)}]`) ?? [];
  return pids.flatMap((pid) => {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      if (name !== 'dnsmasq') return [];
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
      return [
        `process ${words.map((word) => withoutDigest(word.split('/').at(-1) ?? '')).join(' ')}`,
      ];
    } catch {
      return [];
    }
  });
}

function listFiles(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const name = withoutDigest(relative(directory, path));
    const says = entry.name.endsWith('.hosts') ? ` ${readFileSync(path, 'utf8').length}` : '';
    return `file ${name}${says}`;
  });
}

// A configuration is named after what it says: the names of links among it.
function withoutDigest(name: string): string {
  return name.replace(/[0-9a-f]{16}\.conf$/, '<digest>.conf');
}
