import type { NftCommand, NftStep } from './nft-step';

/**
 * The mirror image of a transaction, last first, unless the step says what undoes it. Nothing, where
 * something is deleted or flushed and `before` doesn't say what was there.
 */
export function inverseOfTransaction(step: NftStep): NftStep | undefined {
  if (step.before !== undefined) return { op: 'nft', commands: step.before };
  const made = madeBy(step.commands);
  const commands: NftCommand[] = [];
  const flushed = new Set<string>();
  for (const [n, command] of [...step.commands.entries()].reverse()) {
    // A table that goes takes with it what is in it.
    if (command.op !== 'table.add' && made.has(tableKey(command))) continue;
    const chain = 'chain' in command ? chainKey(command) : '';
    if ((command.op === 'rule.add' || command.op === 'rule.insert') && made.has(chain)) {
      // Emptied at once, and before any chain goes that its rules may jump to.
      if (flushed.has(chain)) continue;
      flushed.add(chain);
      const { family, table } = command;
      commands.push({ op: 'chain.flush', family, table, chain: command.chain });
      continue;
    }
    const mirrored = mirror(command, n);
    if (mirrored === undefined) return undefined;
    commands.push(mirrored);
  }
  return { op: 'nft', commands };
}

type Place = Pick<NftCommand, 'family' | 'table'>;

function tableKey({ family, table }: Place): string {
  return JSON.stringify([family, table]);
}

function chainKey(command: Place & { readonly chain: string }): string {
  return JSON.stringify([command.family, command.table, command.chain]);
}

/** Keys of the tables and chains that the transaction makes. */
function madeBy(commands: readonly NftCommand[]): ReadonlySet<string> {
  const made = new Set<string>();
  for (const command of commands) {
    if (command.op === 'table.add') made.add(tableKey(command));
    if (command.op === 'chain.add') made.add(chainKey(command));
  }
  return made;
}

function mirror(command: NftCommand, n: number): NftCommand | undefined {
  const { family, table } = command;
  switch (command.op) {
    case 'table.add':
      return { op: 'table.delete', family, table };
    case 'chain.add':
      return { op: 'chain.delete', family, table, chain: command.chain };
    case 'set.add':
      return { op: 'set.delete', family, table, set: command.set };
    case 'elements.add': {
      const { verdicts: _, ...elements } = command;
      return { ...elements, op: 'elements.delete' };
    }
    case 'rule.add':
    case 'rule.insert':
      return { op: 'rule.delete', family, table, chain: command.chain, addedBy: n };
    case 'table.set':
    case 'table.delete':
    case 'chain.delete':
    case 'chain.flush':
    case 'set.delete':
    case 'elements.delete':
    case 'rule.delete':
      return undefined;
  }
}
