import type { StoreProvider } from '#lib/index';

/** A store in memory whose changes take as long as the test wants. */
export class SlowStore implements StoreProvider {
  readonly tables = new Map<string, Map<string, unknown>>();
  pause: Promise<void> | undefined;
  failure: Error | undefined;

  async open(tables: readonly string[]): Promise<void> {
    for (const name of tables) if (!this.tables.has(name)) this.tables.set(name, new Map());
  }
  async rebuild(table: string): Promise<ReadonlyMap<string, unknown>> {
    return new Map(this.tables.get(table));
  }
  async get(table: string, key: string): Promise<unknown> {
    return this.tables.get(table)?.get(key);
  }
  add(table: string, key: string, value: unknown): Promise<void> {
    return this.transaction([{ op: 'add', table, key, value }]);
  }
  delete(table: string, key: string): Promise<void> {
    return this.transaction([{ op: 'delete', table, key }]);
  }
  async transaction(changes: Parameters<StoreProvider['transaction']>[0]): Promise<void> {
    await this.pause;
    if (this.failure !== undefined) throw this.failure;
    for (const change of changes) {
      const table = this.tables.get(change.table);
      if (change.op === 'add') table?.set(change.key, change.value);
      else table?.delete(change.key);
    }
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
