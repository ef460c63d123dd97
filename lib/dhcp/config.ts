import { createHash } from 'node:crypto';

import { addressToNumber, macOfAddress, numberToAddress, networkAddress } from '../model';
import type { Ipv4Address } from '../model';
import { sorted } from './host-names';
import type { HostNames } from './host-names';
import { isUsable, layoutOf, netmaskOf, usableRange } from './subnet';
import type { DhcpSubnet } from './subnet';

/** What holds for all servers of a tenant. */
export interface DhcpSetting {
  /** Absolute, without a slash at the end. */
  readonly directory: string;
  /** Whom the servers run as; none: as whom they are started. */
  readonly account: { readonly user: string; readonly group: string } | undefined;
  /** The tenant's domain: names resolve with and without it, and never leave. */
  readonly domain?: string;
  readonly leaseSeconds: number;
}

/** The names of the files of one subnet, and of those that all share. */
export const NAMES_FILE = 'names';
export const UPSTREAMS_FILE = 'upstreams';

// Words that stand for something else where a name could stand.
const NO_HOST_NAME = /^(?:ignore|infinite|\d+[smhdw]?)$/;

/** What the files of a subnet begin with: `172.16.1.0-24`. */
export function fileStem(subnet: Pick<DhcpSubnet, 'subnet'>): string {
  return subnet.subnet.replace('/', '-');
}

/**
 * The name of a configuration's file. It holds a digest of the text: a server's command line then says
 * not only which subnet it serves, but with what configuration it was started.
 */
export function configFile(subnet: DhcpSubnet, text: string): string {
  const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${fileStem(subnet)}.${digest}.conf`;
}

/** The subnet's file stem, if a file of {@link configFile}'s form is meant. */
export function stemOfConfigFile(name: string): string | undefined {
  return /^([\d.]+-\d+)\.[0-9a-f]{16}\.conf$/.exec(name)?.[1];
}

/** A server's configuration. The same input gives the same bytes. */
export function formatConfig(subnet: DhcpSubnet, setting: DhcpSetting): string {
  const path = (name: string): string => `${setting.directory}/${name}`;
  const stem = fileStem(subnet);
  const { account } = setting;
  const lines = [
    `# libsnnet: DHCP and DNS of ${subnet.subnet} on ${subnet.linkName}, link ${String(subnet.ifindex)}`,
    `user=${account?.user ?? 'root'}`,
    // Without a group it changes none, which a user namespace would not let it.
    `group=${account?.group ?? ''}`,
    `pid-file=${path(`${stem}.pid`)}`,
    `dhcp-leasefile=${path(`${stem}.leases`)}`,
    `interface=${subnet.linkName}`,
    'except-interface=lo',
    `listen-address=${subnet.gateway}`,
    'bind-interfaces',
    'no-hosts',
    'no-resolv',
    'no-poll',
    `servers-file=${path(UPSTREAMS_FILE)}`,
    `addn-hosts=${path(NAMES_FILE)}`,
    'domain-needed',
    'bogus-priv',
    ...domainLines(setting.domain),
    'dhcp-authoritative',
    'dhcp-no-override',
    // What a workload calls itself must not become a name that others resolve.
    'dhcp-ignore-names',
    'dhcp-ignore=tag:!known',
    'no-ping',
    `dhcp-lease-max=${String(leaseCount(subnet))}`,
    `dhcp-option=option:router,${subnet.gateway}`,
    `dhcp-option=option:dns-server,${subnet.gateway}`,
    `dhcp-option-force=option:mtu,${String(subnet.mtu)}`,
    ...addressLines(subnet, setting),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** The hosts file of a subnet: MAC, address, name; any client id. Lowest address first. */
export function formatHosts(subnet: DhcpSubnet, names: HostNames): string {
  switch (layoutOf(subnet.subnet)) {
    case 'ranges':
      return '';
    case 'named':
      return sorted(names)
        .filter(([ip]) => isUsable(subnet, ip))
        .map(([ip, name]) => hostLine(ip, name))
        .join('');
    case 'listed': {
      const lines: string[] = [];
      for (const ip of usableAddresses(subnet)) lines.push(hostLine(ip, names.get(ip) ?? ''));
      return lines.join('');
    }
  }
}

/** The servers that a name is asked for that is none of the tenant's. */
export function formatUpstreams(upstreams: readonly Ipv4Address[]): string {
  return upstreams.map((address) => `server=${address}\n`).join('');
}

function hostLine(ip: Ipv4Address, name: string): string {
  const word = name === '' || NO_HOST_NAME.test(name) ? '' : `,${name}`;
  return `${macOfAddress(ip)},${ip}${word},id:*\n`;
}

function domainLines(domain: string | undefined): string[] {
  return domain === undefined ? [] : [`domain=${domain}`, `local=/${domain}/`, 'expand-hosts'];
}

function* usableAddresses(subnet: DhcpSubnet): Generator<Ipv4Address, void, undefined> {
  const [first, last] = usableRange(subnet);
  const gateway = addressToNumber(subnet.gateway);
  for (let number = first; number <= last; number += 1) {
    if (number !== gateway) yield numberToAddress(number);
  }
}

function leaseCount(subnet: DhcpSubnet): number {
  const [first, last] = usableRange(subnet);
  // What dnsmasq holds in memory has an end, also where the subnet has none worth speaking of.
  return Math.min(last - first + 1, 65_536);
}

function addressLines(subnet: DhcpSubnet, setting: DhcpSetting): string[] {
  const mask = netmaskOf(subnet.subnet);
  const seconds = String(setting.leaseSeconds);
  if (layoutOf(subnet.subnet) !== 'ranges') {
    return [
      `dhcp-hostsfile=${setting.directory}/${fileStem(subnet)}.hosts`,
      `dhcp-range=${networkAddress(subnet.subnet)},static,${mask},${seconds}`,
    ];
  }
  return [
    // It would log each range.
    'log-facility=/dev/null',
    ...tagLines(subnet),
    ...Array.from(usableAddresses(subnet), (ip) => {
      const [high, low] = tagsOf(ip);
      return `dhcp-range=tag:${high},tag:${low},${ip},${ip},${mask},${seconds}`;
    }),
  ];
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');

function tagsOf(ip: Ipv4Address): readonly [high: string, low: string] {
  const number = addressToNumber(ip);
  return [`h${hex((number >>> 8) & 255)}`, `l${hex(number & 255)}`];
}

/** A known client for each third byte of the subnet's addresses, and a tag for each last byte. */
function tagLines(subnet: DhcpSubnet): string[] {
  const [first, last] = usableRange(subnet);
  const prefix = macOfAddress(numberToAddress(first)).slice(0, 'xx:xx:xx:xx'.length);
  const lines: string[] = [];
  for (let high = (first >>> 8) & 255; high <= ((last >>> 8) & 255); high += 1) {
    lines.push(`dhcp-host=${prefix}:${hex(high)}:*,set:h${hex(high)},id:*`);
  }
  for (let low = 0; low < 256; low += 1) {
    lines.push(`dhcp-mac=set:l${hex(low)},${prefix}:*:${hex(low)}`);
  }
  return lines;
}
