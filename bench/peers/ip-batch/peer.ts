/**
 * The `ip -batch` peer: what a careful script gets out of iproute2, one process per operation.
 */
import { spawnSync } from 'node:child_process';

import {
  describeVnic,
  formatScope,
  microsecondsSince,
  serve,
  type Answer,
  type BenchVnic,
  type Command,
} from '../../protocol';

const REBUILDS = 9;
const OURS = /^(br|vxlan|vnic)_/;

let names = 0;
let subnets = 0;

function run(args: readonly string[], input: string): string {
  const result = spawnSync('ip', args, { input, encoding: 'utf8', maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`ip ${args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout;
}

function batch(lines: readonly string[]): void {
  run(['-batch', '-'], `${lines.join('\n')}\n`);
}

const newName = (prefix: string): string => `${prefix}_${(0xabc00000 + ++names).toString(16)}`;

interface Subnet {
  readonly number: number;
  readonly bridge: string;
  readonly tunnel: string;
  ports: number;
}

function newSubnet(): Subnet {
  return { number: ++subnets, bridge: newName('sbr'), tunnel: newName('sgt'), ports: 0 };
}

function describeSubnetLines({ number, bridge, tunnel }: Subnet): string[] {
  const vnic = describeVnic(number, 0);
  const scope = formatScope(vnic);
  const ends = 'remote 198.51.100.9 local 198.51.100.1 dstport 4789';
  return [
    `link add name ${bridge} address 02:00:00:00:00:01 mtu 1450 txqueuelen 0 type bridge`,
    `link set dev ${bridge} alias br_${scope} addrgenmode none`,
    `link add name ${tunnel} mtu 1450 master ${bridge} type vxlan id ${vnic.subnetKey} ${ends}`,
    `link set dev ${tunnel} alias vxlan_${scope} addrgenmode none`,
    `link set dev ${tunnel} up`,
    `link set dev ${bridge} up`,
  ];
}

const aliasOf = (vnic: BenchVnic): string => `vnic_${formatScope(vnic)}##${vnic.vnicIp}`;

function describeTap(subnet: Subnet): { name: string; lines: string[] } {
  const name = newName('svn');
  const vnic = describeVnic(subnet.number, subnet.ports++);
  const lines = [
    `tuntap add dev ${name} mode tap`,
    `link set dev ${name} mtu 1450 alias ${aliasOf(vnic)} master ${subnet.bridge} addrgenmode none`,
    `link set dev ${name} up`,
  ];
  return { name, lines };
}

function describeVeth(subnet: Subnet): string[] {
  const name = newName('svn');
  const peer = name.replace('svn', 'svp');
  const vnic = describeVnic(subnet.number, subnet.ports++);
  return [
    `link add name ${name} mtu 1450 master ${subnet.bridge} type veth peer name ${peer} address ${vnic.vnicMac} mtu 1450`,
    `link set dev ${name} alias ${aliasOf(vnic)} addrgenmode none`,
    `link set dev ${name} up`,
  ];
}

/** One group and one request, as we do: the best that a script can do. */
function describeGroupDelete(links: readonly string[]): string[] {
  const group = 0x5000 + ++names;
  return [...links.map((link) => `link set dev ${link} group ${group}`), `link del group ${group}`];
}

function time(us: number[], work: () => void): void {
  const start = process.hrtime.bigint();
  work();
  us.push(microsecondsSince(start));
}

function createWorst({ n }: Command): Answer {
  const us: number[] = [];
  for (let i = 0; i < n; i++) {
    const subnet = newSubnet();
    time(us, () => batch([...describeSubnetLines(subnet), ...describeTap(subnet).lines]));
  }
  return { us, count: n };
}

function createBest({ n }: Command, describe: (subnet: Subnet) => string[]): Answer {
  const us: number[] = [];
  const subnet = newSubnet();
  batch([...describeSubnetLines(subnet), ...describeTap(subnet).lines]);
  for (let i = 0; i < n; i++) time(us, () => batch(describe(subnet)));
  return { us, count: n };
}

function destroyBest({ n }: Command): Answer {
  const us: number[] = [];
  const subnet = newSubnet();
  const taps = Array.from({ length: n + 1 }, () => describeTap(subnet));
  batch([...describeSubnetLines(subnet), ...taps.flatMap((tap) => tap.lines)]);
  for (const tap of taps.slice(1)) time(us, () => batch([`link del dev ${tap.name}`]));
  return { us, count: n };
}

function destroyWorst({ n }: Command): Answer {
  const us: number[] = [];
  for (let i = 0; i < n; i++) {
    const subnet = newSubnet();
    const tap = describeTap(subnet);
    batch([...describeSubnetLines(subnet), ...tap.lines]);
    time(us, () => batch(describeGroupDelete([tap.name, subnet.tunnel, subnet.bridge])));
  }
  return { us, count: n };
}

function load({ n, subnets: count }: Command, destroy: boolean): Answer {
  const us: number[] = [];
  const all = Array.from({ length: count }, newSubnet);
  const lines = all.flatMap(describeSubnetLines);
  const links = all.flatMap((subnet) => [subnet.bridge, subnet.tunnel]);
  for (let i = 0; i < n; i++) {
    const subnet = all[i % count];
    if (!subnet) continue;
    const tap = describeTap(subnet);
    lines.push(...tap.lines);
    links.push(tap.name);
  }
  time(us, () => batch(lines));
  if (!destroy) return { us, count: n };
  const gone: number[] = [];
  time(gone, () => batch(describeGroupDelete(links)));
  return { us: gone, count: n };
}

interface ListedLink {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly linkinfo?: { readonly info_data?: { readonly remote?: string } };
}

function listLinks(): ListedLink[] {
  return JSON.parse(run(['-j', '-d', 'link', 'show'], '')) as ListedLink[];
}

function rebuild(): Answer {
  const us: number[] = [];
  let count = 0;
  for (let i = 0; i < REBUILDS; i++) {
    time(us, () => {
      count = listLinks().filter((link) => link.ifalias?.startsWith('vnic_')).length;
    });
  }
  return { us, count };
}

function reset(): Answer {
  const us: number[] = [];
  let count = 0;
  time(us, () => {
    const links = listLinks().filter((link) => OURS.test(link.ifalias ?? ''));
    count = links.length;
    batch(describeGroupDelete(links.map((link) => link.ifname)));
  });
  return { us, count };
}

const aliasAt = (alias: string, address: string): string => alias.replace('198.51.100.9', address);

/** The tunnel's far end and the identities of bridge, tunnel and VNIC, for each subnet. */
function repoint({ n, subnets: count }: Command): Answer {
  const us: number[] = [];
  const all = Array.from({ length: count }, () => {
    const subnet = newSubnet();
    const vnic = describeVnic(subnet.number, 0);
    return { subnet, vnic, tap: describeTap(subnet) };
  });
  batch(all.flatMap(({ subnet, tap }) => [...describeSubnetLines(subnet), ...tap.lines]));
  let address = '';
  for (let i = 0; i < n; i++) {
    address = i % 2 === 0 ? '198.51.100.10' : '198.51.100.9';
    const lines = all.flatMap(({ subnet, vnic, tap }) => [
      `link set dev ${subnet.tunnel} type vxlan id ${vnic.subnetKey} remote ${address}`,
      `link set dev ${subnet.bridge} alias ${aliasAt(`br_${formatScope(vnic)}`, address)}`,
      `link set dev ${subnet.tunnel} alias ${aliasAt(`vxlan_${formatScope(vnic)}`, address)}`,
      `link set dev ${tap.name} alias ${aliasAt(aliasOf(vnic), address)}`,
    ]);
    time(us, () => batch(lines));
  }
  const moved = listLinks().filter(({ linkinfo }) => linkinfo?.info_data?.remote === address);
  return { us, count: moved.length };
}

/** A concentrator's bridge with a gateway address, and a tunnel. */
function addSubnets({ n }: Command, gatewayOf: (i: number) => string): Answer {
  const us: number[] = [];
  const added = Array.from({ length: n }, newSubnet);
  for (const [i, subnet] of added.entries()) {
    const lines = [...describeSubnetLines(subnet), `addr add ${gatewayOf(i)} dev ${subnet.bridge}`];
    time(us, () => batch(lines));
  }
  const bridges = new Set(added.map(({ bridge }) => bridge));
  return { us, count: listLinks().filter(({ ifname }) => bridges.has(ifname)).length };
}

function execute(command: Command): Answer {
  switch (command.cmd) {
    case 'create-worst-vm':
      return createWorst(command);
    case 'create-best-vm':
      return createBest(command, (subnet) => describeTap(subnet).lines);
    case 'create-best-container':
      return createBest(command, describeVeth);
    case 'destroy-best-vm':
      return destroyBest(command);
    case 'destroy-worst-vm-answered':
    case 'destroy-worst-vm-gone':
      return destroyWorst(command);
    case 'load-create':
      return load(command, false);
    case 'load-destroy':
      return load(command, true);
    case 'rebuild':
      return rebuild();
    case 'reset':
      return reset();
    case 'repoint':
      return repoint(command);
    case 'subnet-24':
      return addSubnets(command, (i) => `10.0.${i}.1/24`);
    case 'subnet-16':
      return addSubnets(command, (i) => `10.${i}.0.1/16`);
    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

void serve((command) => Promise.resolve(execute(command)));
