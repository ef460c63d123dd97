/** The embedded store: what it answered survives a kill at any instant, and never by halves. */
import { randomInt } from 'node:crypto';
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { LmdbStore } from '#lib/store/index';
import { NodeChild, PACKAGE_ROOT } from '../support/child';
import { run, sleep, until } from '../support/run';
import { Scratch } from './docker/bed';

const TABLES = ['left', 'right'];
const ROUNDS = 12;

function storeIn(scratch: Scratch): LmdbStore {
  return new LmdbStore({ directory: join(scratch.path, 'state', 'store') });
}

async function rejectionOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('adds, replaces, gets, rebuilds, deletes; gone is no error', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  await store.open(TABLES);
  await store.add('left', 'a', { n: 1, deep: ['x', null] });
  await store.add('left', 'a', { n: 2 });
  await store.add('right', 'a', 'other table');
  expect(await store.get('left', 'a')).toEqual({ n: 2 });
  expect(await store.get('left', 'b')).toBeUndefined();
  await store.transaction([
    { op: 'delete', table: 'left', key: 'a' },
    { op: 'delete', table: 'left', key: 'never' },
    { op: 'add', table: 'right', key: 'ü', value: false },
  ]);
  expect(await store.rebuild('left')).toEqual(new Map());
  await store.close();
  await store.open([...TABLES, 'later']);
  expect([...(await store.rebuild('right'))].sort()).toEqual([
    ['a', 'other table'],
    ['ü', false],
  ]);
  await store.close();
});

test('a change that cannot be kept is refused before anything of it is done', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  expect(await rejectionOf(store.get('left', 'a'))).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  await store.open(TABLES);
  const good = { op: 'add', table: 'left', key: 'good', value: 1 } as const;
  for (const bad of [
    { ...good, table: 'middle' },
    { ...good, key: '' },
    { ...good, key: 'x'.repeat(2000) },
    { ...good, value: undefined },
  ]) {
    expect(await rejectionOf(store.transaction([good, bad]))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
    });
  }
  expect(await store.rebuild('left')).toEqual(new Map());
  await store.close();
});

test('many changes at once, all answered, in their order', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  await store.open(TABLES);
  const many = Array.from({ length: 500 }, (_, i) => i);
  await Promise.all(many.map((i) => store.add('left', `k${String(i % 100)}`, i)));
  const found = await store.rebuild('left');
  expect(found.size).toBe(100);
  expect([...found.values()].every((value) => Number(value) >= 400)).toBe(true);
  await store.close();
});

test('a directory that others could change, or a link, is refused', async () => {
  using scratch = new Scratch();
  const unsafe = { code: 'SNNET_STATE_UNSAFE' };
  const store = storeIn(scratch);
  await store.open(TABLES);
  await store.close();
  expect(statSync(store.directory).mode & 0o777).toBe(0o700);

  const elsewhere = join(scratch.path, 'elsewhere');
  mkdirSync(elsewhere, { mode: 0o700 });
  symlinkSync(elsewhere, join(scratch.path, 'link'));
  const linked = new LmdbStore({ directory: join(scratch.path, 'link') });
  expect(await rejectionOf(linked.open(TABLES))).toMatchObject(unsafe);
  writeFileSync(join(elsewhere, 'x'), '');
  symlinkSync(join(elsewhere, 'x'), join(elsewhere, 'data.mdb'));
  const led = new LmdbStore({ directory: elsewhere });
  expect(await rejectionOf(led.open(TABLES))).toMatchObject(unsafe);
  chmodSync(join(scratch.path, 'state'), 0o777);
  expect(await rejectionOf(store.open(TABLES))).toMatchObject(unsafe);
});

test('a file that is no database is an error with a code', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  mkdirSync(store.directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(store.directory, 'data.mdb'), 'x'.repeat(20_000));
  expect(await rejectionOf(store.open(TABLES))).toMatchObject({ code: 'SNNET_STORE_FAILED' });
});

/** Writes pairs and takes the pair before away; says each that was answered. */
const WRITER = `
const { LmdbStore } = require('./dist/store/index.js');
(async () => {
  const store = new LmdbStore({ directory: process.argv[1] });
  await store.open(['left', 'right']);
  const first = Number(process.argv[2]);
  for (let i = first; ; i++) {
    const pair = ['left', 'right'].flatMap((table) => [
      { op: 'add', table, key: 'n' + i, value: { i, pad: 'x'.repeat(i % 3000) } },
      { op: 'delete', table, key: 'n' + (i - 20) },
    ]);
    await store.transaction(pair);
    process.send(i);
  }
})();
`;

test('a row that is damaged keeps no other away', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  await store.open(TABLES);
  await store.add('left', 'good', 1);
  await store.close();
  const root = openLmdb({ path: join(scratch.path, 'state', 'store'), noSubdir: false, maxDbs: 3 });
  root.openDB<string, string>({ name: 'left', encoding: 'string' }).putSync('bad', '{"half":');
  await root.close();
  await store.open(TABLES);
  expect(await store.rebuild('left')).toEqual(
    new Map([
      ['bad', undefined],
      ['good', 1],
    ]),
  );
  await store.close();
});

test('killed at random moments: what was answered is there, and nothing by halves', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  let next = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const args = [store.directory, String(next)];
    await using child = new NodeChild({ code: WRITER }, { args });
    await child.waitForMessages(1);
    await sleep(randomInt(60));
    const { messages } = await child.kill();
    const answered = Number(messages.at(-1));
    await store.open(TABLES);
    const [left, right] = [await store.rebuild('left'), await store.rebuild('right')];
    expect([...left]).toEqual([...right]);
    const last = Math.max(...[...left.values()].map((value) => (value as { i: number }).i));
    expect(last).toBeGreaterThanOrEqual(answered);
    expect(left.size).toBe(Math.min(20, last + 1));
    next = last + 1;
    await store.close();
  }
});

/** Writes until it is refused, looks what is there, makes room and goes on. */
const FILLER = `
const { LmdbStore } = require('./dist/store/index.js');
(async () => {
  const store = new LmdbStore({ directory: process.argv[1] });
  await store.open(['left', 'right']);
  const add = (i) => store.transaction(['left', 'right'].map((table) => (
    { op: 'add', table, key: 'n' + i, value: 'x'.repeat(3000) })));
  let answered = 0;
  const refusal = await (async () => { for (;; answered++) await add(answered); })().catch((e) => e);
  const sizes = async () => [(await store.rebuild('left')).size, (await store.rebuild('right')).size];
  const full = await sizes();
  const again = await add('again').catch((e) => e.code);
  require('fs').rmSync(process.argv[2]);
  await add('more');
  await store.close();
  await store.open(['left', 'right']);
  console.log(JSON.stringify({ code: refusal.code, why: refusal.message, again, answered, full, after: await sizes() }));
  await store.close();
})();
`;

test('a full disk is an error, nothing is there by halves, and it goes on when there is room', async () => {
  using scratch = new Scratch();
  const { path } = scratch;
  const script = [
    `mount -t tmpfs -o size=1m,mode=700 tmpfs ${path}`,
    `head -c 400k /dev/zero > ${path}/ballast`,
    `exec ${process.execPath} -e "$0" -- ${path}/store ${path}/ballast`,
  ].join(' && ');
  const argv = ['unshare', '--mount', 'sh', '-c', script, FILLER];
  const { stdout } = await run(argv, { cwd: PACKAGE_ROOT, timeoutMs: 20_000 });
  const { code, again, answered, full, after } = JSON.parse(stdout) as Record<string, unknown>;
  expect([code, again]).toEqual(['SNNET_STORE_FAILED', 'SNNET_STORE_FAILED']);
  expect(Number(answered)).toBeGreaterThan(10);
  expect(full).toEqual([answered, answered]);
  expect(after).toEqual([Number(answered) + 1, Number(answered) + 1]);
});

test('a store that was left open is opened by the next process', async () => {
  using scratch = new Scratch();
  const store = storeIn(scratch);
  await using child = new NodeChild({ code: WRITER }, { args: [store.directory, '0'] });
  await child.waitForMessages(3);
  await child.kill();
  await store.open(TABLES);
  await store.add('left', 'mine', 1);
  expect(await until(async () => (await store.get('left', 'mine')) === 1, 1000)).toBe(true);
  await store.close();
});
