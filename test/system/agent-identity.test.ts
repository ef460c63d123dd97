/** The UUID that a program keeps on a machine for its role. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { claimSsntpIdentity } from '#lib/index';

const UUID = '3390740c-dce9-48d6-b83a-a717417072ce';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'snnet-identity-'))));
afterEach(() => rmSync(directory, { recursive: true }));

const claim = () => claimSsntpIdentity({ role: 'CNCIAGENT', directory });
const file = () => join(directory, '0x20');

test('is made once, and then the same', async () => {
  const first = await claim();
  expect(first.uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  expect(readFileSync(file(), 'latin1')).toBe(first.uuid);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  await first.release();
  const second = await claim();
  expect(second.uuid).toBe(first.uuid);
  await second.release();
});

test('is the one that the original left', async () => {
  writeFileSync(file(), UUID);
  const { uuid, release } = await claim();
  expect(uuid).toBe(UUID);
  await release();
});

test('belongs to one process at a time, and to one role', async () => {
  const first = await claim();
  await expect(claim()).rejects.toMatchObject({ code: 'SNNET_SERVICE_RUNNING' });
  const other = await claimSsntpIdentity({ role: 'AGENT', directory });
  expect(other.uuid).not.toBe(first.uuid);
  expect(existsSync(join(directory, '0x4'))).toBe(true);
  await other.release();
  await first.release();
});

test.each(['', 'x', `${UUID}\n`, UUID.slice(1), 'z'.repeat(36)])(
  'is made anew where the file says %j',
  async (text) => {
    writeFileSync(file(), text);
    const { uuid, release } = await claim();
    expect(readFileSync(file(), 'latin1')).toBe(uuid);
    expect(uuid).not.toBe(UUID);
    await release();
  },
);

test('follows no link', async () => {
  const target = join(directory, 'target');
  writeFileSync(target, UUID);
  symlinkSync(target, file());
  await expect(claim()).rejects.toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
  expect(readFileSync(target, 'latin1')).toBe(UUID);
  const elsewhere = join(directory, 'open');
  mkdirSync(elsewhere, { mode: 0o777 });

  chmodSync(elsewhere, 0o777);
  const unsafe = claimSsntpIdentity({ role: 'CNCIAGENT', directory: elsewhere });
  await expect(unsafe).rejects.toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
});
