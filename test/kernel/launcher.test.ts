/** Launchers: what becomes of tunnels in a real kernel is said, whoever dies in between. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Launcher } from '#lib/agent/outbox/index';
import type { TenantEvent } from '#lib/agent/messages/index';
import type { LauncherTransport } from '#lib/agent/transport';
import { NodeChild } from '../support/child';
import { needs } from '../support/reasons';
import { until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import {
  CONC,
  makeHost,
  NODE_ID,
  NODE_IP,
  openNode,
  optionsFor,
  TENANT,
  vnicConfig,
} from './helpers/node';

const vxlan = needs('vxlan', 'tap');

class Wire implements LauncherTransport {
  readonly name = 'nats';
  readonly sent: TenantEvent[] = [];

  get kinds(): string[] {
    return this.sent.map(({ kind }) => kind);
  }

  send(event: TenantEvent): Promise<void> {
    this.sent.push(event);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A host, a directory for the outbox, and launchers one after the other. */
class LauncherBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-launcher-'));

  private constructor(box: Sandbox, ns: Namespace) {
    this.box = box;
    this.ns = ns;
  }

  static async open(): Promise<LauncherBed> {
    const box = await Sandbox.open();
    return new LauncherBed(box, await makeHost(box));
  }

  /** What a launcher says while it is open. */
  async use(body: (launcher: Launcher, wire: Wire) => Promise<void>): Promise<Wire> {
    const wire = new Wire();
    const node = await openNode(this.ns);
    try {
      const dataDir = join(this.directory, 'outbox');
      await using launcher = await Launcher.open(node, {
        transport: wire,
        dataDir,
        reconcileMs: 0,
      });
      await body(launcher, wire);
      await launcher.outbox.flush();
    } finally {
      await node.settle();
      await node.close();
    }
    return wire;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.directory, { recursive: true, force: true });
    await this.box[Symbol.asyncDispose]();
  }
}

const SAID = {
  agentUuid: NODE_ID,
  agentIp: NODE_IP,
  tenantUuid: TENANT,
  tenantSubnet: '172.16.0.0/16',
  concentratorUuid: CONC,
  concentratorIp: '198.51.100.9',
  subnetKey: 69_804,
  tunnel: 'vxlan',
};

vxlan(
  'the first VNIC of a subnet adds its tunnel, the last removes it, and both are said',
  async () => {
    await using bed = await LauncherBed.open();
    const wire = await bed.use(async (launcher) => {
      await launcher.createVnic(vnicConfig(0));
      await launcher.createVnic(vnicConfig(1));
      await launcher.destroyVnic(vnicConfig(0));
      await launcher.outbox.flush();
      await launcher.destroyVnic(vnicConfig(1));
    });
    expect(wire.sent).toEqual([
      { kind: 'tenant-added', ...SAID },
      { kind: 'tenant-removed', ...SAID },
    ]);
  },
);

/** Dies as soon as an event is to be stored: what it told the kernel is done, and nobody was told. */
const DYING = `
const { ComputeNode, LmdbStore } = require('./dist/index.js');
const { Launcher } = require('./dist/agent/outbox/index.js');
const [options, directory, config, what] = process.argv.slice(1).map((text) => {
  try { return JSON.parse(text); } catch { return text; }
});
(async () => {
  const store = new LmdbStore({ directory });
  const transaction = store.transaction.bind(store);
  store.transaction = async (changes) => {
    if (changes.some(({ table, value }) => table === 'tunnels' && value?.isDelivered === false)) {
      process.kill(process.pid, 'SIGKILL');
    }
    await transaction(changes);
  };
  const node = await ComputeNode.open(options);
  const transport = { name: 'nats', send: async () => undefined, close: async () => undefined };
  const launcher = await Launcher.open(node, { transport, store, reconcileMs: 0 });
  await launcher[what](config);
  process.send('survived');
})();
`;

vxlan('a launcher that dies before it could say anything is made up for by the next', async () => {
  await using bed = await LauncherBed.open();
  const die = async (what: 'createVnic' | 'destroyVnic'): Promise<void> => {
    const options = JSON.stringify(optionsFor(bed.ns));
    const args = [options, join(bed.directory, 'outbox'), JSON.stringify(vnicConfig(0)), what];
    await using child = new NodeChild({ code: DYING }, { args });
    const { signal, messages, stderr } = await child.finished;
    expect([signal, messages, stderr]).toEqual(['SIGKILL', [], '']);
  };
  await die('createVnic');
  const first = await bed.use(async (launcher) => {
    expect(launcher.node.topology().subnets).toHaveLength(1);
    expect(launcher.outbox.pending).toBeLessThanOrEqual(1);
  });
  expect(first.sent).toEqual([{ kind: 'tenant-added', ...SAID }]);
  await die('destroyVnic');
  const second = await bed.use(async (launcher) => {
    expect(launcher.node.topology().subnets).toEqual([]);
  });
  expect(second.sent).toEqual([{ kind: 'tenant-removed', ...SAID }]);
  expect((await bed.use(() => Promise.resolve())).sent).toEqual([]);
});

vxlan('a call that was given up, and done all the same, is said', async () => {
  await using bed = await LauncherBed.open();
  const wire = await bed.use(async (launcher, said) => {
    const controller = new AbortController();
    const created = launcher.createVnic(vnicConfig(0), { signal: controller.signal });
    setImmediate(() => controller.abort());
    await created.catch(() => undefined);
    const isThere = (): boolean => launcher.node.topology().subnets.length > 0;
    await launcher.node.settle();
    // Whether it came in time is a matter of luck; that the two agree is not.
    const isSaid = (): boolean => said.kinds.at(-1) === 'tenant-added';
    expect(await until(() => isThere() === isSaid(), 10_000)).toBe(true);
    await launcher.destroyVnic(vnicConfig(0));
    expect(await until(() => said.kinds.at(-1) !== 'tenant-added', 10_000)).toBe(true);
  });
  expect(wire.kinds.at(-1)).not.toBe('tenant-added');
});

vxlan(
  'a concentrator that moved is told of its tunnels at its new address, and keeps them',
  async () => {
    await using bed = await LauncherBed.open();
    const wire = await bed.use(async (launcher) => {
      await launcher.createVnic(vnicConfig(0));
      await launcher.outbox.flush();
      const { events } = await launcher.node.repointConcentrator({
        from: '198.51.100.9',
        to: '198.51.100.10',
      });
      await launcher.outbox.reconcile(launcher.node);
      for (const { scope: _, ...event } of events) {
        await launcher.outbox.post({ ...event, concId: CONC, tenantId: TENANT } as never);
      }
      await launcher.outbox.flush();
      expect(launcher.node.topology().subnets[0]?.concIp).toBe('198.51.100.10');
      await launcher.destroyVnic({ ...vnicConfig(0), concIp: '198.51.100.10' });
    });
    const [added, ...moved] = wire.sent;
    const removed = moved.pop();
    expect(added).toMatchObject({ kind: 'tenant-added', concentratorIp: '198.51.100.9' });
    for (const one of moved) {
      expect(one).toMatchObject({ kind: 'tenant-added', concentratorIp: '198.51.100.10' });
    }
    expect(removed).toMatchObject({ kind: 'tenant-removed', concentratorIp: '198.51.100.10' });
  },
);

vxlan('bad input touches neither the kernel nor the outbox', async () => {
  await using bed = await LauncherBed.open();
  const wire = await bed.use(async (launcher) => {
    const bad = vnicConfig(0, { subnet: '172.16.0.1/16' });
    await expect(launcher.createVnic(bad)).rejects.toMatchObject({ field: 'subnet' });
    expect(launcher.node.topology().subnets).toEqual([]);
  });
  expect(wire.sent).toEqual([]);
});
