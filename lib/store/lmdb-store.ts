import { constants } from 'node:fs';
import { lstat, open as openFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import type * as Lmdb from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';

import { APIError, isLibsnnetError } from '../errors';
import { describeKind, ignoreAbsence, makePrivateDirectory, unsafe } from '../files';
import { defineShape, parsePath } from '../model';
import type { StoreChange, StoreProvider } from './provider';

/** Where an {@link LmdbStore} keeps its files. */
export interface LmdbStoreOptions {
  /** Absolute path of a directory for this store alone; it is made, with mode 0700. */
  readonly directory: string;
}

const DATA_FILE = 'data.mdb';
const FILES = [DATA_FILE, 'lock.mdb'];
/** `MDB_MAGIC` in the first page's header, and where lmdb's format 2 has it. */
const MAGIC = 0xbeefc0de;
const MAGIC_OFFSET = 24;
/** Of the store itself: keys, in bytes. */
const LONGEST_KEY = 1024;

const parseShape = defineShape('options', { directory: parsePath });

/**
 * A store in one file of an LMDB database: copy on write, so that a process killed at any instant
 * leaves the last transaction that was answered, whole; each is synced to disk before it is answered.
 * One process at a time.
 */
export class LmdbStore implements StoreProvider {
  readonly directory: string;
  readonly #queue: Queued[] = [];
  #opened: { readonly root: RootDatabase; readonly tables: Tables } | undefined;

  constructor(options: LmdbStoreOptions) {
    this.directory = parseShape(options, 'LmdbStore').directory;
  }

  /** @throws {@link APIError} `SNNET_STATE_UNSAFE`, `SNNET_STORE_FAILED`. */
  async open(tables: readonly string[]): Promise<void> {
    await this.close();
    await this.#guard('open', async () => {
      const path = await makePrivateDirectory(this.directory);
      for (const name of FILES) await checkFile(join(path, name));
      await checkDatabase(join(path, DATA_FILE));
      const root = loadLmdb().open({
        path,
        // Or a name with a dot is taken for a file's.
        noSubdir: false,
        maxDbs: tables.length + 1,
        // Without it a change is answered when it is seen, and synced a little later.
        overlappingSync: false,
      });
      const databases = new Map<string, Table>();
      this.#opened = { root, tables: databases };
      for (const name of tables) databases.set(name, root.openDB({ name, encoding: 'string' }));
      await syncDirectory(path);
    });
  }

  async rebuild(table: string): Promise<ReadonlyMap<string, unknown>> {
    return await this.#guard('rebuild', async () => {
      const entries = [...this.#table(table).getRange()];
      // One row that is damaged must not keep all others away.
      return new Map(entries.map(({ key, value }) => [key, readOrNothing(value)] as const));
    });
  }

  async get(table: string, key: string): Promise<unknown> {
    return await this.#guard('get', async () => read(this.#table(table).get(checkKey(key))));
  }

  add(table: string, key: string, value: unknown): Promise<void> {
    return this.transaction([{ op: 'add', table, key, value }]);
  }

  delete(table: string, key: string): Promise<void> {
    return this.transaction([{ op: 'delete', table, key }]);
  }

  async transaction(changes: readonly StoreChange[]): Promise<void> {
    await this.#guard('transaction', async () => {
      // Whatever can be refused is refused before the transaction begins.
      const writes = changes.map((change): (() => unknown) => {
        const table = this.#table(change.table);
        const key = checkKey(change.key);
        if (change.op === 'delete') return () => table.removeSync(key);
        const text = write(change.value);
        return () => table.putSync(key, text);
      });
      await this.#enqueue(writes);
    });
  }

  async close(): Promise<void> {
    this.#commitQueued();
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.root.close();
  }

  /**
   * What is asked for in one turn of the event loop is synced together. Not by lmdb's own thread: where a
   * commit fails there (the disk is full), it also rejects a promise that nobody can get hold of, which
   * ends the process.
   */
  #enqueue(writes: readonly (() => unknown)[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, resolve, reject });
      if (this.#queue.length > 1) return;
      setImmediate(() => {
        this.#commitQueued();
      });
    });
  }

  #commitQueued(): void {
    const queue = this.#queue.splice(0);
    if (queue.length === 0) return;
    try {
      this.#commit(queue);
      for (const { resolve } of queue) resolve();
    } catch (error) {
      // Nobody fails for what another wanted.
      if (queue.length > 1) for (const one of queue) this.#commitAlone(one);
      else queue[0]?.reject(error);
    }
  }

  #commitAlone(one: Queued): void {
    try {
      this.#commit([one]);
      one.resolve();
    } catch (error) {
      one.reject(error);
    }
  }

  #commit(queue: readonly Queued[]): void {
    this.#open().root.transactionSync(() => {
      for (const { writes } of queue) for (const change of writes) change();
    });
  }

  #open(): { readonly root: RootDatabase; readonly tables: Tables } {
    if (this.#opened !== undefined) return this.#opened;
    throw new APIError('SNNET_HANDLE_CLOSED', { object: { path: this.directory } });
  }

  #table(name: string): Table {
    const table = this.#open().tables.get(name);
    if (table !== undefined) return table;
    throw new APIError('SNNET_INPUT_INVALID', {
      field: 'table',
      value: name,
      expected: 'a table that the store was opened with',
    });
  }

  async #guard<T>(operation: string, body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (cause) {
      if (isLibsnnetError(cause)) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      const object = { path: this.directory };
      throw new APIError('SNNET_STORE_FAILED', { operation, object, detail, cause });
    }
  }
}

/** A transaction that waits for the end of this turn. */
interface Queued {
  readonly writes: readonly (() => unknown)[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

type Table = Database<string, string>;
type Tables = ReadonlyMap<string, Table>;

// When it is first needed: a program that stores nothing does without the binary.
function loadLmdb(): typeof Lmdb {
  return createRequire(__filename)('lmdb') as typeof Lmdb;
}

/** The database would follow a link, or write to a file that is somebody else's too. */
async function checkFile(path: string): Promise<void> {
  const found = await lstat(path).catch(ignoreAbsence);
  if (found === undefined) return;
  if (!found.isFile()) throw unsafe(path, `it is ${describeKind(found)}, not a file`);
  if (found.nlink > 1) throw unsafe(path, 'it has a second name');
}

/** The database believes whatever it finds in its file, and ends the process where that leads nowhere. */
async function checkDatabase(path: string): Promise<void> {
  const file = await openFile(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(ignoreAbsence);
  if (file === undefined) return;
  try {
    const head = Buffer.alloc(MAGIC_OFFSET + 4);
    const { bytesRead } = await file.read(head);
    // A process may have died before it wrote anything.
    if (bytesRead === 0) return;
    if (bytesRead === head.length && head.readUInt32LE(MAGIC_OFFSET) === MAGIC) return;
  } finally {
    await file.close();
  }
  const detail = 'the file is no database of this version';
  throw new APIError('SNNET_STORE_FAILED', { operation: 'open', object: { path }, detail });
}

/** A file that was just made is found after a power cut only if its directory was written too. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await openFile(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function checkKey(key: string): string {
  if (key !== '' && Buffer.byteLength(key) <= LONGEST_KEY && !key.includes('\0')) return key;
  const expected = `a text of 1 to ${String(LONGEST_KEY)} bytes without NUL`;
  throw new APIError('SNNET_INPUT_INVALID', { field: 'key', value: key, expected });
}

function read(text: string | undefined): unknown {
  return text === undefined ? undefined : JSON.parse(text);
}

function readOrNothing(text: string): unknown {
  try {
    return read(text);
  } catch {
    return undefined;
  }
}

function write(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text !== undefined) return text;
  throw new APIError('SNNET_INPUT_INVALID', { field: 'value', value, expected: 'a JSON value' });
}
