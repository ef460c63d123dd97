import type { Kernel, NftOverview, NftRuleRow } from '../kernel';
import { makePlan } from '../plan';
import type { NftCommand, NftStep } from '../plan';
import { BRIDGE_PREFIX, FAMILY, TABLE, passageRule } from '../ruleset';
import type { Ledger } from '../ruleset';
import type { FirewallFinding } from './results';

/**
 * Living beside others. What one table accepts another may still drop: so where another program drops
 * what is forwarded, as docker does in iptables' own table, tenants' traffic needs a passage there. The
 * rules are such that `iptables -S` can print them: one value each, no sets.
 */
const FILTER = { family: 'ip', table: 'filter' } as const;
const DOCKERS = 'DOCKER-USER';
const PASSAGE = 'libsnnet passage: ';
const OPERATION = 'passBridges';

/** A chain of another program that drops what it does not know. */
export interface Dropping {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly why: 'its policy is drop' | 'its last rule drops everything';
}

/** Chains for forwarded or bridged packets that end with dropping. */
export async function findDropping(kernel: Kernel): Promise<readonly Dropping[]> {
  const { chains } = await kernel.nftTables();
  const found: Dropping[] = [];
  for (const { family, table, chain, base } of chains) {
    if (base?.hook !== 'forward' || base.type !== 'filter') continue;
    if (family === 'other' || family === 'ip6' || family === 'netdev') continue;
    if (family === FAMILY && table === TABLE) continue;
    if (base.policy === 'drop') {
      found.push({ family, table, chain, why: 'its policy is drop' });
    } else if (endsWithDrop(await kernel.nftRules(family, table, chain))) {
      found.push({ family, table, chain, why: 'its last rule drops everything' });
    }
  }
  return found;
}

function endsWithDrop(rules: readonly NftRuleRow[]): boolean {
  const last = rules.at(-1)?.expressions ?? [];
  return (
    last.length > 0 &&
    last.every((expression) => {
      if (expression.type === 'verdict') return expression.verdict.code === 'drop';
      if (expression.type === 'other') return ['reject', 'log'].includes(expression.name);
      return expression.type === 'counter';
    }) &&
    last.some(({ type }) => type !== 'counter')
  );
}

/** Pairs of links between which tenants' traffic goes; a name ending in `*` stands for all that begin so. */
function passages(ledger: Ledger): readonly (readonly [string, string])[] {
  const insides = [`${BRIDGE_PREFIX}*`, ...[...ledger.inside].sort()];
  const outsides = [...ledger.external].sort();
  return insides.flatMap((inside) => [
    ...insides.map((other) => [inside, other] as const),
    ...outsides.flatMap((outside) => [[inside, outside] as const, [outside, inside] as const]),
  ]);
}

function commentOf([from, to]: readonly [string, string]): string {
  return `${PASSAGE}${from} to ${to}`;
}

/** Where iptables, by nftables, has its forwarded packets; nothing where it is not in use. */
function chainFor({ chains }: NftOverview): string | undefined {
  const has = (name: string): boolean =>
    chains.some(
      ({ family, table, chain }) =>
        family === FILTER.family && table === FILTER.table && chain === name,
    );
  if (has(DOCKERS)) return DOCKERS;
  return has('FORWARD') ? 'FORWARD' : undefined;
}

/** What stands of the passage, and what lacks. */
export interface PassageState {
  /** Nothing where iptables is not in use here. */
  readonly chain: string | undefined;
  readonly present: readonly NftRuleRow[];
  readonly missing: readonly (readonly [string, string])[];
}

export async function readPassage(kernel: Kernel, ledger: Ledger): Promise<PassageState> {
  const overview = await kernel.nftTables();
  const chain = chainFor(overview);
  if (chain === undefined) return { chain, present: [], missing: [] };
  // Docker may have come or gone since: ours may stand in the other chain.
  const rules = [
    ...(await kernel.nftRules(FILTER.family, FILTER.table, DOCKERS)),
    ...(await kernel.nftRules(FILTER.family, FILTER.table, 'FORWARD')),
  ];
  const present = rules.filter(({ comment }) => comment?.startsWith(PASSAGE) === true);
  const here = new Set(present.flatMap((rule) => (rule.chain === chain ? [rule.comment] : [])));
  const missing = passages(ledger).filter((pair) => !here.has(commentOf(pair)));
  return { chain, present, missing };
}

/** The step that opens what lacks of the passage. */
export function openPassage({ chain, missing }: PassageState): NftStep[] {
  if (chain === undefined || missing.length === 0) return [];
  const commands = missing.map((pair): NftCommand => ({
    op: 'rule.insert',
    ...FILTER,
    chain,
    expressions: passageRule(pair),
    comment: commentOf(pair),
  }));
  return [{ op: 'nft', commands }];
}

/** The step that closes it again. */
export function closePassage({ present }: PassageState): NftStep[] {
  if (present.length === 0) return [];
  const commands = present.map(({ chain, handle }): NftCommand => ({
    op: 'rule.delete',
    ...FILTER,
    chain,
    handle,
  }));
  // Each comes before those that are there.
  const before = present.toReversed().map(({ chain, comment = '' }): NftCommand => {
    const [from = '', to = ''] = comment.slice(PASSAGE.length).split(' to ');
    const expressions = passageRule([from, to]);
    return { op: 'rule.insert', ...FILTER, chain, expressions, comment };
  });
  return [{ op: 'nft', commands, before }];
}

/** Opens the passage, or closes it; says of how many rules it is so now, and was so already. */
export async function switchPassage(
  kernel: Kernel,
  ledger: Ledger,
  isOpening: boolean,
): Promise<{ readonly changed: number; readonly unchanged: number }> {
  const passage = await readPassage(kernel, ledger);
  const { missing, present } = passage;
  const steps = isOpening ? openPassage(passage) : closePassage(passage);
  try {
    if (steps.length > 0) await kernel.run(makePlan(OPERATION, steps));
  } catch (error) {
    if (isOpening) await takeBack(kernel, ledger, passage);
    throw error;
  }
  if (!isOpening) return { changed: present.length, unchanged: 0 };
  return { changed: steps.length === 0 ? 0 : missing.length, unchanged: present.length };
}

/**
 * Closes what was opened although opening it failed: where the kernel's answer was lost, so were the
 * handles of the rules, by which an inverse would go.
 */
async function takeBack(kernel: Kernel, ledger: Ledger, former: PassageState): Promise<void> {
  const now = await readPassage(kernel, ledger);
  const known = new Set(former.present.map(({ handle }) => handle));
  const present = now.present.filter(({ handle }) => !known.has(handle));
  const steps = closePassage({ ...now, present });
  if (steps.length > 0) await kernel.run(makePlan(`${OPERATION}.takeBack`, steps));
}

/** Several transactions as one; what takes them back runs the other way round. */
export function together(...lists: readonly (readonly NftStep[])[]): NftStep[] {
  const steps = lists.flat();
  if (steps.length < 2) return steps;
  const commands = steps.flatMap((step) => step.commands);
  const before = steps.reverse().flatMap((step) => step.before ?? []);
  return [{ op: 'nft', commands, before }];
}

/** Findings about chains of others, given what of the passage stands. */
export function judgeDropping(
  dropping: readonly Dropping[],
  passage: PassageState,
): FirewallFinding[] {
  const findings: FirewallFinding[] = [];
  for (const { family, table, chain, why } of dropping) {
    const isIptables = family === FILTER.family && table === FILTER.table;
    if (isIptables && passage.chain !== undefined && passage.missing.length === 0) continue;
    const remedy = isIptables
      ? "open a passage: passBridges('enable'), or snnet firewall pass-bridges enable"
      : remedyFor(family, table, chain);
    findings.push({
      type: 'foreign-drop',
      text: `chain ${chain} of table ${family} ${table} drops tenants' traffic: ${why}`,
      remedy,
    });
  }
  return findings;
}

function remedyFor(family: string, table: string, chain: string): string {
  if (table === 'firewalld') {
    return 'firewall-cmd --permanent --zone=trusted --add-interface=<bridge or device>, then --reload';
  }
  if (table.startsWith('libvirt')) return 'put the devices into no network of libvirt';
  return `accept ${BRIDGE_PREFIX}* there: nft insert rule ${family} ${table} ${chain} iifname "${BRIDGE_PREFIX}*" accept, and likewise oifname`;
}
