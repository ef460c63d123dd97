import { Option } from 'commander';
import type { Command } from 'commander';
import type { CnciVnicConfigInput, VnicConfigInput } from '../model';
import { readConfigFile } from './config-file';
import { given, parseNumber } from './options';
import type { HostFlags } from './options';

/** What the options of a command about one VNIC give. */
export interface ConfigFlags extends HostFlags {
  readonly config?: string;
  readonly dryRun?: boolean;
}

const VNIC_FIELDS = [
  ['role', '--role <role>', 'vm or container (default: vm)'],
  ['tenantId', '--tenant-id <id>', 'the owner'],
  ['subnetId', '--subnet-id <id>', "the tenant's subnet"],
  ['concId', '--conc-id <id>', 'the concentrator that serves the tenant'],
  ['concIp', '--conc-ip <address>', "the concentrator's address: the tunnel's far end"],
  ['vnicId', '--vnic-id <id>', 'the VNIC'],
  ['instanceId', '--instance-id <id>', 'the workload'],
  ['vnicIp', '--vnic-ip <address>', "the workload's address"],
  ['vnicMac', '--vnic-mac <mac>', "the workload's MAC address"],
  ['subnet', '--subnet <cidr>', "the subnet's network"],
  ['altName', '--alt-name <name>', "one more name of the host's end, to find it again by"],
] as const;

const VNIC_NUMBERS = [
  ['subnetKey', '--subnet-key <number>', 'GRE key, or VXLAN or Geneve network identifier'],
  ['mtu', '--mtu <bytes>', 'default: what fits through the tunnel'],
  ['queues', '--queues <number>', "queues of a VM's tap"],
  ['owner', '--owner <uid>', 'the user who may open the tap (default: 0)'],
] as const;

const CNCI_VNIC_FIELDS = [
  ['tenantId', '--tenant-id <id>', 'the tenant whose concentrator it is'],
  ['vnicId', '--vnic-id <id>', 'the VNIC'],
  ['vnicMac', '--vnic-mac <mac>', 'MAC address of the macvtap'],
  ['macvtapMode', '--macvtap-mode <mode>', 'bridge or vepa (default: bridge)'],
] as const;

const DRY_RUN = new Option('--dry-run', 'print what would be done, and do nothing');
const CONFIG = new Option(
  '--config <file>',
  'the configuration as JSON (- for standard input); options win',
);

export function addVnicOptions(command: Command): Command {
  for (const [, flags, text] of VNIC_FIELDS) command.option(flags, text);
  for (const [, flags, text] of VNIC_NUMBERS) command.option(flags, text, parseNumber);
  command
    .option('--attach <netns>', "makes the container's end inside this network namespace")
    .option('--attach-ifname <name>', 'its name there (default: eth0)');
  return command.addOption(CONFIG).addOption(DRY_RUN);
}

export function addCnciVnicOptions(command: Command): Command {
  for (const [, flags, text] of CNCI_VNIC_FIELDS) command.option(flags, text);
  return command.addOption(CONFIG).addOption(DRY_RUN);
}

type VnicFlags = ConfigFlags &
  Partial<Omit<VnicConfigInput, 'attach'>> & {
    readonly attach?: string;
    readonly attachIfname?: string;
  };

/** The configuration from the file and the options; the library parses it. */
export function toVnicConfig(flags: VnicFlags): VnicConfigInput {
  const names = [...VNIC_FIELDS, ...VNIC_NUMBERS].map(([name]) => name);
  const values = Object.fromEntries(names.map((name) => [name, flags[name]]));
  const { attach: netns, attachIfname: ifname } = flags;
  const attach = netns === undefined ? undefined : given({ netns, ifname });
  return { ...fromFile(flags), ...given({ ...values, attach }) } as unknown as VnicConfigInput;
}

type CnciVnicFlags = Partial<Omit<CnciVnicConfigInput, 'mode'>> & { readonly macvtapMode?: string };

export function toCnciVnicConfig(flags: ConfigFlags & CnciVnicFlags): CnciVnicConfigInput {
  const { tenantId, vnicId, vnicMac, macvtapMode } = flags;
  const values = given({ tenantId, vnicId, vnicMac, mode: macvtapMode });
  return { ...fromFile(flags), ...values } as unknown as CnciVnicConfigInput;
}

function fromFile({ config }: ConfigFlags): object {
  return config === undefined ? {} : readConfigFile(config);
}
