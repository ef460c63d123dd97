import type { NftBase, NftCommand, NftElementsCommand, NftVerdict } from '#lib/plan/index';
import type { TableReading } from '#lib/ruleset/index';

interface ModelSet {
  readonly keyBytes: number;
  dataBytes: number;
  readonly elements: Map<string, { readonly data: string; readonly verdict?: NftVerdict }>;
}
interface ModelChain {
  readonly base?: NftBase;
  readonly rules: { comment?: string; handle: number }[];
}

const BYTES: Record<string, number> = {
  ifname: 16,
  ipv4_addr: 4,
  inet_proto: 4,
  inet_service: 4,
  verdict: 0,
};

/**
 * What the kernel does with a transaction, as far as our table goes: all of it, or nothing. Strict where
 * the kernel is: nothing is added twice, nothing is deleted that is not there.
 */
export class KernelModel {
  #sets = new Map<string, ModelSet>();
  #chains = new Map<string, ModelChain>();
  #exists = false;
  #handle = 0;

  get exists(): boolean {
    return this.#exists;
  }

  run(commands: readonly NftCommand[]): void {
    const backup = structuredClone([this.#sets, this.#chains, this.#exists] as const);
    try {
      for (const command of commands) this.#do(command);
    } catch (error) {
      [this.#sets, this.#chains, this.#exists] = backup;
      throw error;
    }
  }

  #do(command: NftCommand): void {
    if (command.op === 'table.add') {
      refuseIf(this.#exists, 'EEXIST table');
      this.#exists = true;
      return;
    }
    refuseIf(!this.#exists, 'ENOENT table');
    switch (command.op) {
      case 'table.delete':
        this.#sets = new Map();
        this.#chains = new Map();
        this.#exists = false;
        return;
      case 'set.add': {
        refuseIf(this.#sets.has(command.set), `EEXIST ${command.set}`);
        const sum = (types: readonly string[]): number =>
          types.reduce((bytes, type) => bytes + (BYTES[type] ?? Number.NaN), 0);
        const dataBytes = sum(command.data ?? []);
        this.#sets.set(command.set, { keyBytes: sum(command.key), dataBytes, elements: new Map() });
        return;
      }
      case 'chain.add': {
        refuseIf(this.#chains.has(command.chain), `EEXIST ${command.chain}`);
        this.#chains.set(command.chain, {
          ...(command.base !== undefined && { base: command.base }),
          rules: [],
        });
        return;
      }
      case 'rule.add': {
        const chain = this.#chains.get(command.chain);
        refuseIf(chain === undefined, `ENOENT ${command.chain}`);
        for (const expression of command.expressions) this.#checkReferences(expression);
        this.#handle += 1;
        chain?.rules.push({
          handle: this.#handle,
          ...(command.comment !== undefined && { comment: command.comment }),
        });
        return;
      }
      case 'elements.add':
      case 'elements.delete':
        this.#elements(command);
        return;
      default:
        throw new Error(`the model knows no ${command.op}`);
    }
  }

  #checkReferences(expression: object): void {
    const { set, verdict } = expression as { set?: string; verdict?: NftVerdict };
    if (set !== undefined) refuseIf(!this.#sets.has(set), `ENOENT ${set}`);
    const chain = verdict?.chain;
    if (chain !== undefined) refuseIf(!this.#chains.has(chain), `ENOENT ${chain}`);
  }

  #elements(command: NftElementsCommand): void {
    const set = this.#sets.get(command.set);
    if (set === undefined) throw new Error(`ENOENT ${command.set}`);
    refuseIf(set.keyBytes !== command.keyBytes, `EINVAL key of ${command.set}`);
    const stride = command.keyBytes + command.dataBytes;
    refuseIf(command.packed.length === 0 || command.packed.length % stride !== 0, 'EINVAL length');
    for (let at = 0, n = 0; at < command.packed.length; at += stride, n += 1) {
      const bytes = Buffer.from(command.packed.subarray(at, at + stride)).toString('hex');
      const key = bytes.slice(0, command.keyBytes * 2);
      if (command.op === 'elements.delete') {
        refuseIf(!set.elements.delete(key), `ENOENT element of ${command.set}`);
        continue;
      }
      refuseIf(set.elements.has(key), `EEXIST element of ${command.set}`);
      const verdict = command.verdicts?.[n];
      refuseIf(set.dataBytes !== command.dataBytes, `EINVAL data of ${command.set}`);
      set.elements.set(key, {
        data: bytes.slice(command.keyBytes * 2),
        ...(verdict !== undefined && { verdict }),
      });
    }
  }

  /** What a dump would show. */
  read(): TableReading {
    const here = { family: 'inet', table: 'libsnnet' } as const;
    return {
      chains: [...this.#chains].map(([chain, { base }]) => ({
        ...here,
        chain,
        handle: 0,
        ...(base !== undefined && { base }),
      })),
      rules: [...this.#chains].flatMap(([chain, { rules }]) =>
        rules.map((rule) => ({ ...here, chain, expressions: [], ...rule })),
      ),
      sets: [...this.#sets].map(([set, { keyBytes, dataBytes, elements }]) => ({
        ...here,
        set,
        handle: 0,
        key: [],
        flags: [],
        keyBytes,
        dataBytes,
        packed: Buffer.from([...elements].map(([key, { data }]) => key + data).join(''), 'hex'),
      })),
    };
  }
}

function refuseIf(condition: boolean, why: string): void {
  if (condition) throw new Error(why);
}
