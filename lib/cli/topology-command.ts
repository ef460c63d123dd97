import { Option } from 'commander';
import type { Command } from 'commander';
import { Cnci } from '../cnci';
import { ComputeNode } from '../compute-node';
import { drawMermaid, drawTree } from '../draw';
import type { Drawable } from '../draw';
import {
  addHostOptions,
  nameOfThisHost,
  tenantOption,
  toCnciOptions,
  toNodeOptions,
} from './options';
import type { HostFlags } from './options';
import { print } from './output';

interface TopologyFlags extends HostFlags {
  readonly format: 'tree' | 'json' | 'mermaid';
  readonly ascii?: boolean;
  readonly tenantId?: string;
}

/** `snnet topology`: a picture of what is there. */
export function addTopologyCommand(program: Command): void {
  const format = new Option('--format <format>', 'how it is drawn')
    .choices(['tree', 'json', 'mermaid'])
    .default('tree');
  const command = addHostOptions(program.command('topology'))
    .description('draw this compute node; with --tenant-id, the concentrator of that tenant')
    .addOption(tenantOption())
    .addOption(format)
    .option('--ascii', 'draw with ASCII characters only')
    .action(async () => {
      const flags = command.optsWithGlobals<TopologyFlags>();
      const topology = await take(flags);
      const asJson = flags.json === true || flags.format === 'json';
      print(asJson, { data: topology, text: draw(topology, flags) });
    });
}

async function take(flags: TopologyFlags): Promise<Drawable> {
  if (flags.tenantId === undefined) {
    await using node = await ComputeNode.open(toNodeOptions(flags, nameOfThisHost()));
    return node.topology();
  }
  await using cnci = await Cnci.open(toCnciOptions({ ...flags, dhcp: false }, nameOfThisHost()));
  return cnci.topology();
}

function draw(topology: Drawable, { format, ascii }: TopologyFlags): string {
  return format === 'mermaid'
    ? drawMermaid(topology)
    : drawTree(topology, { ascii: ascii ?? false });
}
