/** The official tool as judge of nftables, and the commands that several tests begin with. */
import type {
  NftChainCommand,
  NftCommand,
  NftElementsCommand,
  NftExpression,
  NftRuleCommand,
  Step,
} from '#lib/plan/index';
import { run } from '../../support/run';
import type { Namespace } from '../../support/sandbox';

export const T = { family: 'inet', table: 'ours' } as const;

/** Runs `nft` with a script in the namespace; what it prints. */
export async function nft(ns: Namespace, script: string): Promise<string> {
  const argv = ['nsenter', `--net=${ns.path}`, 'nft', '-f', '-'];
  return (await run(argv, { input: `${script}\n`, timeoutMs: 60_000 })).stdout;
}

/** The ruleset as `nft` lists it, one trimmed line each. */
export async function ruleset(ns: Namespace): Promise<string[]> {
  const listed = await nft(ns, 'list ruleset');
  return listed
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== '}');
}

interface JsonElement {
  readonly elem?: readonly unknown[];
}

/** The elements of one set, as `nft -j` lists them. */
export async function elementsOf(ns: Namespace, set: string, map = false): Promise<unknown[]> {
  const argv = ['nsenter', `--net=${ns.path}`, 'nft', '-j', 'list', map ? 'map' : 'set'];
  const { stdout } = await run([...argv, T.family, T.table, set], { timeoutMs: 60_000 });
  const { nftables } = JSON.parse(stdout) as {
    nftables: readonly Readonly<Record<string, JsonElement>>[];
  };
  const found = nftables.map((item) => item['set'] ?? item['map']).find((item) => item);
  return [...(found?.elem ?? [])];
}

export function transaction(...commands: readonly NftCommand[]): Step {
  return { op: 'nft', commands };
}

export const table = (flags?: readonly ('owner' | 'persist')[]): NftCommand => ({
  op: 'table.add',
  ...T,
  ...(flags && { flags }),
});

export const forward: NftChainCommand = {
  op: 'chain.add',
  ...T,
  chain: 'forwarding',
  base: { type: 'filter', hook: 'forward', priority: 0, policy: 'accept' },
};

export function rule(
  chain: string,
  comment: string,
  ...expressions: readonly NftExpression[]
): NftRuleCommand {
  return { op: 'rule.add', ...T, chain, comment, expressions };
}

export const portMap: NftCommand = {
  op: 'set.add',
  ...T,
  set: 'ports',
  key: ['inet_proto', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
};

/** `count` entries of the port map: TCP, the n-th number in 24 bits as port and address. */
export function portEntries(count: number, first = 0): Uint8Array {
  const packed = new Uint8Array(count * 16);
  const view = new DataView(packed.buffer);
  for (let n = 0; n < count; ++n) {
    const number = first + n;
    view.setUint8(n * 16, number < 0xffff ? 6 : 17);
    view.setUint16(n * 16 + 4, (number % 0xffff) + 1);
    view.setUint32(n * 16 + 8, 0x0a000000 + number);
    view.setUint16(n * 16 + 12, 80);
  }
  return packed;
}

export function ports(op: NftElementsCommand['op'], packed: Uint8Array): NftElementsCommand {
  return { op, ...T, set: 'ports', keyBytes: 8, dataBytes: 8, packed };
}

/** Elements in an order of their own: the kernel's is none. */
export function sorted(packed: Uint8Array, stride: number): string[] {
  const elements: string[] = [];
  for (let at = 0; at < packed.length; at += stride) {
    elements.push(Buffer.from(packed.subarray(at, at + stride)).toString('hex'));
  }
  return elements.sort();
}
