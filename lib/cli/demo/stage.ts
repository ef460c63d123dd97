import { readdirSync } from 'node:fs';
import { HOSTS, INTERNET, NAMESPACES, SUBNET, UNDERLAY, UPLINK } from './cast';
import type { Workload } from './cast';
import { ip, ipBatch, run, runIn } from './programs';
import { takeLease } from './services';
import type { Lease } from './services';

const NETNS_DIRECTORY = '/run/netns';
/** Links that a module of the kernel puts into every namespace when it is loaded. */
const BY_MODULES =
  /^(gre0|gretap0|erspan0|tunl0|sit0|ip_vti0|ip6_vti0|ip6tnl0|ip6gre0|ip6gretap0)$/;

/** Makes all namespaces and lays the cables: four hosts at one switch, and one more to the internet. */
export async function buildStage(): Promise<void> {
  await ipBatch(
    undefined,
    NAMESPACES.map((name) => `netns add ${name}`),
  );
  await ipBatch(UNDERLAY.name, [
    'link add switch type bridge',
    'link set switch up',
    ...HOSTS.map(({ id }) => `link add port-${id} type veth peer name eth0 netns ${id}`),
    ...HOSTS.map(({ id }) => `link set port-${id} mtu ${String(UNDERLAY.mtu)} master switch up`),
  ]);
  for (const { id, address } of HOSTS) {
    await ipBatch(id, [
      'link set lo up',
      `link set eth0 mtu ${String(UNDERLAY.mtu)} up`,
      `address add ${address}/${String(UNDERLAY.length)} dev eth0`,
    ]);
  }
  const { cnci, device, address, length } = UPLINK;
  await ipBatch(cnci.id, [
    `link add ${device} type veth peer name eth0 netns ${INTERNET.id}`,
    `link set ${device} up`,
    `address add ${address}/${String(length)} dev ${device}`,
  ]);
  await ipBatch(INTERNET.id, [
    'link set eth0 up',
    `address add ${INTERNET.address}/${String(length)} dev eth0`,
    // It would answer a tenant's address, did it ever see one.
    `route add ${SUBNET.cidr} via ${address}`,
  ]);
}

/** Removes what there is of the stage, and tells which namespaces are left. */
export async function clearStage(): Promise<string[]> {
  const present = listNamespaces().filter((name) => NAMESPACES.includes(name));
  if (present.length > 0) {
    const lines = present.map((name) => `netns delete ${name}\n`).join('');
    await run(['ip', '-force', '-batch', '-'], lines);
  }
  return listNamespaces().filter((name) => NAMESPACES.includes(name));
}

/** What a container runtime does with the container's end: into its namespace, up, address by DHCP. */
export async function plugIn(workload: Workload, interfaceName: string): Promise<Lease> {
  const { name, node } = workload;
  await ip('-n', node.id, 'link', 'set', interfaceName, 'netns', name, 'name', 'eth0');
  await ipBatch(name, ['link set lo up', 'link set eth0 up']);
  return await takeLease(name);
}

/** All links of all namespaces, as `cn1/eth0`. */
export async function listLinks(): Promise<string[]> {
  const lists = await Promise.all(
    NAMESPACES.map(async (name) => {
      const links = JSON.parse(await ip('-n', name, '-json', 'link', 'show')) as {
        readonly ifname: string;
      }[];
      return links
        .map(({ ifname }) => ifname)
        .filter((ifname) => !BY_MODULES.test(ifname))
        .map((ifname) => `${name}/${ifname}`);
    }),
  );
  return lists.flat().sort();
}

export interface PingResult {
  readonly sent: number;
  readonly received: number;
  /** Milliseconds: the quickest answer, which no learning of addresses delays. */
  readonly ms?: number;
}

export interface PingOptions {
  readonly count?: number;
  /** Bytes of payload, with the order not to fragment. */
  readonly unfragmented?: number;
}

/** Pings from a workload. */
export async function ping(
  from: Workload,
  target: string,
  options: PingOptions = {},
): Promise<PingResult> {
  const { count = 3, unfragmented } = options;
  const size = unfragmented === undefined ? [] : ['-M', 'do', '-s', String(unfragmented)];
  const timing = ['-c', String(count), '-i', '0.2', '-W', '1'];
  const { output } = await runIn(from.name, ['ping', '-n', '-q', ...timing, ...size, target]);
  const numbers = /(\d+) packets transmitted, (\d+) received/.exec(output);
  if (numbers === null) throw new Error(`ping ${target} from ${from.name}: ${output.trim()}`);
  const ms = / = ([\d.]+)\//.exec(output)?.[1];
  return {
    sent: Number(numbers[1]),
    received: Number(numbers[2]),
    ...(ms !== undefined && { ms: Number(ms) }),
  };
}

/** How many pings somebody has heard so far: the kernel counts. */
export async function countEchoes(netns: string): Promise<number> {
  const { output } = await runIn(netns, ['cat', '/proc/net/snmp']);
  const [names, values] = output.split('\n').filter((line) => line.startsWith('Icmp:'));
  const column = names?.split(' ').indexOf('InEchos') ?? -1;
  const value = values?.split(' ')[column];
  if (value === undefined) throw new Error(`${netns} does not count pings`);
  return Number(value);
}

function listNamespaces(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY);
  } catch {
    return [];
  }
}
