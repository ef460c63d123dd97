/** `snnet cni`: the daemon as a service, its end at any moment, and life without it. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeChild, PACKAGE_ROOT } from '../support/child';
import type { ChildResult } from '../support/child';
import { callCni, FRONT, spawnCni } from '../support/cni';
import type { CniReply } from '../support/cni';
import { ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { run, sleep, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { bare, FILE, stand } from './helpers/stand';

const vxlan = needs('vxlan');

/** A machine whose daemon is started and ended by the test. */
class Machine implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-cli-'));
  readonly socketPath = join(this.directory, 'run', 'cni.sock');
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly env: Readonly<Record<string, string>>;
  #daemon: NodeChild | undefined;

  private constructor(box: Sandbox, ns: Namespace, env: Readonly<Record<string, string>>) {
    this.box = box;
    this.ns = ns;
    this.env = { ...env, SNNET_MODE: 'vxlan', SNNET_CNI_SOCKET: this.socketPath };
  }

  static async open(): Promise<Machine> {
    const box = await Sandbox.open();
    const { ns, env } = await stand(box);
    return new Machine(box, ns, env);
  }

  get daemon(): NodeChild {
    if (this.#daemon === undefined) throw new Error('there is no daemon');
    return this.#daemon;
  }

  async start(...args: readonly string[]): Promise<NodeChild> {
    const child = new NodeChild(
      { file: FILE },
      { args: ['cni', 'serve', ...args], env: this.env, timeoutMs: 120_000 },
    );
    this.#daemon = child;
    const config = this.config({ cniVersion: '1.1.0' });
    const answers = async (): Promise<boolean> =>
      (await callCni({ command: 'STATUS', config })).status === 0;
    if (await until(answers, 10_000)) return child;
    throw new Error((await child.kill()).stderr);
  }

  config(changes: object = {}): object {
    return {
      cniVersion: '1.0.0',
      name: 'web',
      daemonSocket: this.socketPath,
      ...{ tenantId: 'alpha', subnetId: 'web', concId: 'cnci-alpha', concIp: '198.51.100.21' },
      ...{ subnet: '172.16.1.0/24', subnetKey: 101, runtimeConfig: { ips: ['172.16.1.5'] } },
      ...changes,
    };
  }

  call(command: string, ns: Namespace, changes: object = {}): Promise<CniReply> {
    const config = this.config(changes);
    return callCni({ command, containerId: 'c1', netns: ns.path, config });
  }

  async links(): Promise<string[]> {
    const names = (await ipLinks(this.ns)).map(({ ifname }) => ifname);
    return names.filter((name) => /^s(br|gt|vn)_/.test(name));
  }

  async isEmpty(): Promise<boolean> {
    return await until(async () => (await this.links()).length === 0, 5000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#daemon?.kill();
    rmSync(this.directory, { recursive: true });
    await this.box[Symbol.asyncDispose]();
  }
}

async function ended(child: NodeChild, signal: NodeJS.Signals): Promise<ChildResult> {
  process.kill(child.pid ?? 0, signal);
  return await child.finished;
}

vxlan('it serves until it is told to end, and prints what concentrators must be told', async () => {
  await using machine = await Machine.open();
  const ns = await machine.box.netns('c');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const daemon = await machine.start();
    expect(await machine.call('ADD', ns)).toMatchObject({ status: 0 });
    const { status, stdout, stderr } = await ended(daemon, signal);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `serving ${machine.socketPath}\n` });
    // Each new daemon tells anew, since nobody knows what the one before was still able to tell.
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'tunnel-add', cnciIp: '198.51.100.21' });
    expect(existsSync(machine.socketPath)).toBe(false);
  }
  const events = join(machine.directory, 'events');
  const daemon = await machine.start('--events', events);
  expect(await machine.call('DEL', ns)).toMatchObject({ status: 0 });
  expect((await ended(daemon, 'SIGTERM')).stdout).toBe('');
  expect(JSON.parse(readFileSync(events, 'utf8'))).toMatchObject({ kind: 'tunnel-del' });
  expect(await machine.isEmpty()).toBe(true);
});

vxlan('one socket has one daemon', async () => {
  await using machine = await Machine.open();
  await machine.start();
  const args = ['cni', 'serve'];
  await using second = new NodeChild({ file: FILE }, { args, env: machine.env });
  const { status, stderr } = await second.finished;
  expect(status).toBe(1);
  expect(stderr).toContain('SNNET_SERVICE_RUNNING');
});

vxlan('killed after the kernel has done its part: nothing is lost or doubled', async () => {
  await using machine = await Machine.open();
  const ns = await machine.box.netns('c');
  // Whoever writes to a pipe that nobody reads waits: the daemon cannot answer.
  const pipe = join(machine.directory, 'pipe');
  await run(['mkfifo', pipe]);
  const daemon = await machine.start('--events', pipe);
  const added = machine.call('ADD', ns);
  const isMade = async (): Promise<boolean> =>
    (await ipLinks(ns)).some(({ ifname }) => ifname === 'eth0');
  expect(await until(isMade, 10_000)).toBe(true);
  await daemon.kill();
  expect(await added).toMatchObject({ status: 1, result: { code: 11 } });
  expect(await machine.call('DEL', ns)).toMatchObject({ status: 1, result: { code: 11 } });
  await machine.start();
  expect(await machine.call('ADD', ns)).toMatchObject({ status: 0 });
  expect((await machine.links()).filter((name) => name.startsWith('svn_'))).toHaveLength(1);
  expect(await machine.call('DEL', ns)).toMatchObject({ status: 0 });
  expect(await machine.isEmpty()).toBe(true);
});

vxlan(
  'killed in the middle of ADD: the next daemon and DEL put everything right',
  async () => {
    await using machine = await Machine.open();
    const ns = await machine.box.netns('c');
    for (const delayMs of [1, 2, 3, 5, 8]) {
      const daemon = await machine.start();
      const config = machine.config();
      const { reply } = spawnCni({ command: 'ADD', containerId: 'c1', netns: ns.path, config });
      // The moment is left to chance: whatever it is, the outcome must be right.
      await sleep(delayMs);
      await daemon.kill();
      const { status, result } = await reply;
      if (status !== 0) expect(result).toMatchObject({ code: 11 });
      await machine.start();
      expect(await machine.call('ADD', ns)).toMatchObject({ status: 0 });
      const { status: isDeleted } = await machine.call('DEL', ns);
      expect(isDeleted).toBe(0);
      expect(await machine.isEmpty()).toBe(true);
      await machine.daemon.kill();
    }
  },
  120_000,
);

vxlan('without a daemon each command serves itself, if that is wanted', async () => {
  await using machine = await Machine.open();
  const ns = await machine.box.netns('c');
  const { SNNET_NETNS: netns } = machine.env;
  const own = {
    daemon: 'in-process',
    snnetCommand: [process.execPath, join(PACKAGE_ROOT, FILE)],
    node: {
      ...{ id: 'cn1', mode: 'vxlan', computeNets: ['198.51.100.0/24'] },
      ...{ allowVethUplink: true, netns },
    },
  };
  const added = await machine.call('ADD', ns, own);
  expect(added).toMatchObject({ status: 0, result: { ips: [{ address: '172.16.1.5/24' }] } });
  expect(JSON.parse(added.stderr)).toMatchObject({ kind: 'tunnel-add' });
  expect(await machine.call('ADD', ns, own)).toMatchObject({ status: 0, stdout: added.stdout });
  const checked = await machine.call('CHECK', ns, { ...own, prevResult: added.result });
  expect(checked).toMatchObject({ status: 0, stdout: '' });
  const bad = { ...own, node: { ...own.node, computeNets: ['203.0.113.0/24'] } };
  expect((await machine.call('DEL', ns, bad)).result).toMatchObject({
    code: 104,
    details: expect.stringContaining('SNNET_NETWORK_NOT_FOUND'),
  });
  const deleted = await machine.call('DEL', ns, own);
  expect(deleted).toMatchObject({ status: 0, stdout: '' });
  expect(JSON.parse(deleted.stderr)).toMatchObject({ kind: 'tunnel-del' });
  expect(await machine.isEmpty()).toBe(true);
});

test('it knows where the program is that runtimes run', async () => {
  const { status, stdout } = await bare('cni', 'path');
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${FRONT}\n` });
});
