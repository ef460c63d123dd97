import { describeRule, describeVerdict } from './describe-rule';
import type {
  ConntrackTuple,
  NftBase,
  NftCommand,
  NftElementsCommand,
  NftSetCommand,
} from './nft-step';

/** More elements than this are counted, not listed. */
const LISTED = 4;
const FLOWS_LISTED = 8;

/** A command in the words of `nft`. */
export function describeCommand(command: NftCommand): string {
  const where = `${command.family} ${command.table}`;
  switch (command.op) {
    case 'table.add':
    case 'table.set': {
      const flags = command.flags ?? [];
      return `nft add table ${where}${flags.length === 0 ? '' : ` { flags ${flags.join(', ')}; }`}`;
    }
    case 'table.delete':
      return `nft delete table ${where}`;
    case 'chain.add':
      return `nft add chain ${where} ${command.chain}${baseWords(command.base)}`;
    case 'chain.delete':
    case 'chain.flush':
      return `nft ${command.op === 'chain.flush' ? 'flush' : 'delete'} chain ${where} ${command.chain}`;
    case 'set.add':
      return `nft add ${setWords(command, where)}`;
    case 'set.delete':
      return `nft delete set ${where} ${command.set}`;
    case 'elements.add':
    case 'elements.delete':
      return `nft ${command.op === 'elements.add' ? 'add' : 'delete'} element ${where} ${command.set} ${elementWords(command)}`;
    case 'rule.add':
    case 'rule.insert': {
      const verb = command.op === 'rule.add' ? 'add' : 'insert';
      const comment = command.comment === undefined ? '' : ` comment "${command.comment}"`;
      return `nft ${verb} rule ${where} ${command.chain} ${describeRule(command.expressions)}${comment}`;
    }
    case 'rule.delete': {
      const which = 'handle' in command ? String(command.handle) : 'of the rule added';
      return `nft delete rule ${where} ${command.chain} handle ${which}`;
    }
  }
}

/** Flows in the words of `conntrack`, one for each line; of many, the first. */
export function describeFlows(flows: readonly ConntrackTuple[]): string {
  const lines = flows.slice(0, FLOWS_LISTED).map(describeFlow);
  const rest = flows.length - lines.length;
  return [...lines, ...(rest > 0 ? [`# conntrack -D of ${String(rest)} more`] : [])].join('\n');
}

function describeFlow(flow: ConntrackTuple): string {
  const { protocol, source, destination, sourcePort, destinationPort } = flow;
  const ports =
    protocol === 'icmp'
      ? `--icmp-id ${String(sourcePort)} --icmp-type ${String(destinationPort >> 8)} --icmp-code ${String(destinationPort & 0xff)}`
      : `--sport ${String(sourcePort)} --dport ${String(destinationPort)}`;
  const zone = flow.zone === undefined ? '' : ` --zone ${String(flow.zone)}`;
  return `conntrack -D -p ${protocol} -s ${source} -d ${destination} ${ports}${zone}`;
}

function baseWords(base: NftBase | undefined): string {
  if (base === undefined) return '';
  const device = base.device === undefined ? '' : ` device ${base.device}`;
  const policy = base.policy === undefined ? '' : ` policy ${base.policy};`;
  return ` { type ${base.type} hook ${base.hook}${device} priority ${String(base.priority)};${policy} }`;
}

function setWords(command: NftSetCommand, where: string): string {
  const data = command.data === undefined ? '' : ` : ${command.data.join(' . ')}`;
  const flags = command.flags === undefined ? '' : ` flags ${command.flags.join(', ')};`;
  const size = command.size === undefined ? '' : ` size ${String(command.size)};`;
  const kind = command.data === undefined ? 'set' : 'map';
  return `${kind} ${where} ${command.set} { type ${command.key.join(' . ')}${data};${flags}${size} }`;
}

function elementWords(command: NftElementsCommand): string {
  const { keyBytes, dataBytes, packed, verdicts } = command;
  const padded = (bytes: number): number => (bytes + 3) & ~3;
  const stride = padded(keyBytes) + padded(dataBytes);
  const count = stride === 0 ? 0 : Math.floor(packed.length / stride);
  if (count > LISTED) return `{ ${String(count)} elements }`;
  const hex = (from: number, bytes: number): string =>
    `0x${Buffer.from(packed.subarray(from, from + bytes)).toString('hex')}`;
  const elements = Array.from({ length: count }, (_, n) => {
    const key = hex(n * stride, keyBytes);
    const verdict = verdicts?.[n];
    if (command.op === 'elements.delete') return key;
    if (verdict !== undefined) return `${key} : ${describeVerdict(verdict)}`;
    return dataBytes === 0 ? key : `${key} : ${hex(n * stride + padded(keyBytes), dataBytes)}`;
  });
  return `{ ${elements.join(', ')} }`;
}
