import { hostname } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { CnciOptionsInput, MeshMode, NodeOptionsInput, TunnelMode } from '../model';

/** What the options of {@link addHostOptions} give, and the global ones. */
export interface HostFlags {
  readonly json?: boolean;
  readonly id?: string;
  readonly mode: TunnelMode;
  readonly computeNet?: readonly string[];
  readonly managementNet?: readonly string[];
  readonly netns?: string;
  readonly allowVethUplink?: boolean;
  readonly timeoutMs?: number;
  readonly vxlanPort?: number;
  readonly genevePort?: number;
}

/** The options that say which host, and how it is to be seen. */
export function addHostOptions(command: Command): Command {
  const options = [
    new Option('--id <id>', 'UUID of this node or concentrator').env('SNNET_ID'),
    new Option('--mode <kind>', 'kind of tunnel')
      .choices(['gre', 'vxlan', 'geneve', 'auto'])
      .default('auto')
      .env('SNNET_MODE'),
    new Option('--compute-net <cidr>', 'network that carries tunnels; again, or with commas')
      .argParser(parseCidrs)
      .env('SNNET_COMPUTE_NET'),
    new Option('--management-net <cidr>', 'network that carries control traffic; likewise')
      .argParser(parseCidrs)
      .env('SNNET_MANAGEMENT_NET'),
    new Option('--netns <name>', 'network namespace: a path, or a name under /run/netns').env(
      'SNNET_NETNS',
    ),
    new Option('--allow-veth-uplink', 'a veth may be the uplink (SNNET_ALLOW_VETH_UPLINK=1)'),
    new Option('--timeout-ms <ms>', 'until a call fails')
      .argParser(parseNumber)
      .env('SNNET_TIMEOUT_MS'),
    new Option('--vxlan-port <port>', 'UDP port').argParser(parseNumber).env('SNNET_VXLAN_PORT'),
    new Option('--geneve-port <port>', 'UDP port').argParser(parseNumber).env('SNNET_GENEVE_PORT'),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

/**
 * For `ComputeNode.open`; a command that says nothing to others may do without an id. What is missing
 * is the library's to refuse.
 */
export function toNodeOptions(flags: HostFlags, fallbackId?: string): NodeOptionsInput {
  const { mode, netns, timeoutMs, vxlanPort, genevePort } = flags;
  const options: Omit<NodeOptionsInput, 'id'> = {
    mode,
    netns,
    timeoutMs,
    vxlanPort,
    genevePort,
    computeNets: flags.computeNet,
    managementNets: flags.managementNet,
    allowVethUplink: flags.allowVethUplink ?? isOn(process.env['SNNET_ALLOW_VETH_UPLINK']),
  };
  return { ...options, ...given({ id: flags.id ?? fallbackId }) } as NodeOptionsInput;
}

/** For `Cnci.open`. */
export function toCnciOptions(
  flags: HostFlags & {
    readonly tenantId?: string;
    readonly meshMode?: MeshMode;
    readonly meshPrefixLength?: number;
    readonly dhcp?: CnciOptionsInput['dhcp'];
  },
  fallbackId?: string,
): CnciOptionsInput {
  const options = toNodeOptions(flags, fallbackId);
  const { tenantId, meshMode, meshPrefixLength, dhcp } = flags;
  const own = given({ tenantId, meshMode, meshPrefixLength, dhcp });
  return { ...options, ...own } as CnciOptionsInput;
}

export interface DhcpFlags {
  readonly dhcp: boolean;
  readonly dhcpDir?: string;
  readonly dnsDomain?: string;
  readonly dnsUpstream?: readonly string[];
}

/** How a concentrator serves its subnets with addresses and names. */
export function addDhcpOptions(command: Command): Command {
  return command
    .option('--no-dhcp', 'neither addresses nor names for the workloads')
    .addOption(new Option('--dhcp-dir <directory>', 'for leases').env('SNNET_DHCP_DIR'))
    .addOption(new Option('--dns-domain <name>', "the tenant's domain").env('SNNET_DNS_DOMAIN'))
    .option('--dns-upstream <address...>', "name servers for what is none of the tenant's");
}

export function toDhcpChoice(flags: DhcpFlags): CnciOptionsInput['dhcp'] {
  if (!flags.dhcp) return false;
  const { dhcpDir: stateDir, dnsDomain: domain, dnsUpstream: upstreams } = flags;
  return given({ stateDir, domain, upstreams });
}

/** How the tenant's concentrators reach each other. */
export function meshModeOption(): Option {
  return new Option('--mesh-mode <kind>', 'kind of mesh; the same on all concentrators')
    .choices(['auto', 'gre', 'vxlan'])
    .env('SNNET_MESH_MODE');
}

export function meshPrefixLengthOption(): Option {
  return new Option('--mesh-prefix-length <bits>', "length of the mesh network's prefix")
    .argParser(parseNumber)
    .env('SNNET_MESH_PREFIX_LENGTH');
}

/** The option that names a concentrator's tenant. */
export function tenantOption(): Option {
  return new Option('--tenant-id <id>', "the concentrator's tenant").env('SNNET_TENANT_ID');
}

/** An id for those who only look: the name of the host, without what an id may not contain. */
export function nameOfThisHost(): string {
  return hostname().replaceAll(/[^A-Za-z0-9.-]/g, '-');
}

/** Parses a whole number; its range is the library's business. */
export function parseNumber(value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new InvalidArgumentError('A whole number was expected.');
}

/** Leaves out what was not given. */
export function given<T extends object>(values: T): Partial<T> {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}

function parseCidrs(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...value.split(',').map((cidr) => cidr.trim())];
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && !['0', 'no', 'off', 'false'].includes(value.toLowerCase());
}
