/** What a firewall does to the kernel. */
import { openFirewall } from '#lib/firewall/index';
import type { Firewall } from '#lib/firewall/index';
import type { HostHooks } from '#lib/host/index';
import type { FirewallOptionsInput } from '#lib/model/index';
import { run } from '../../support/run';
import type { Attempt, Operation, Scene } from './operation';
import { INSIDE_LINK } from './scene';

interface Row {
  readonly name: string;
  /** Beside iptables (by nftables) that drops what is forwarded, as docker makes it. */
  readonly besideIptables?: true;
  /** Left out where opening is the operation. */
  readonly prepare?: (firewall: Firewall) => Promise<unknown>;
  readonly act: (firewall: Firewall) => Promise<unknown>;
}

const nothing = (): Promise<void> => Promise.resolve();
const PAIR = { externalDevice: 'eth0', internalDevice: INSIDE_LINK };
const PORT = {
  protocol: 'tcp',
  externalDevice: 'eth0',
  externalPort: 8080,
  internalIp: '172.20.1.5',
  internalPort: 80,
} as const;
const PUBLIC = {
  internalIp: '172.20.1.5',
  publicIp: '198.51.100.100',
  externalDevice: 'eth0',
};

async function openEverything(firewall: Firewall): Promise<void> {
  await firewall.extFwding('enable', PAIR);
  await firewall.extPortAccess('enable', PORT);
  await firewall.publicIpAccess('enable', PUBLIC);
}

const ROWS: readonly Row[] = [
  { name: 'Firewall.open', act: nothing },
  {
    name: 'routing: off',
    prepare: nothing,
    act: (firewall) => firewall.routing('disable'),
  },
  {
    name: 'extFwding: on',
    prepare: nothing,
    act: (firewall) => firewall.extFwding('enable', PAIR),
  },
  {
    name: 'extFwding: off',
    prepare: openEverything,
    act: (firewall) => firewall.extFwding('disable', PAIR),
  },
  {
    name: 'extPortAccess: on',
    prepare: nothing,
    act: (firewall) => firewall.extPortAccess('enable', PORT),
  },
  {
    name: 'extPortAccess: off',
    prepare: openEverything,
    act: (firewall) => firewall.extPortAccess('disable', PORT),
  },
  {
    name: 'publicIpAccess: on',
    prepare: nothing,
    act: (firewall) => firewall.publicIpAccess('enable', PUBLIC),
  },
  {
    name: 'publicIpAccess: off',
    prepare: openEverything,
    act: (firewall) => firewall.publicIpAccess('disable', PUBLIC),
  },
  {
    name: 'Firewall.shutdown',
    prepare: openEverything,
    act: (firewall) => firewall.shutdown(),
  },
  {
    name: 'passBridges: on',
    besideIptables: true,
    prepare: nothing,
    act: (firewall) => firewall.passBridges('enable'),
  },
  {
    name: 'passBridges: off',
    besideIptables: true,
    prepare: (firewall) => firewall.passBridges('enable'),
    act: (firewall) => firewall.passBridges('disable'),
  },
  {
    name: 'Firewall.shutdown: with a passage',
    besideIptables: true,
    prepare: (firewall) => firewall.passBridges('enable'),
    act: (firewall) => firewall.shutdown(),
  },
];

/** It looks with a firewall that may only read; the first thing to do opens one that may write. */
class FirewallAttempt implements Attempt {
  readonly #scene: Scene;
  readonly #hooks: HostHooks;
  readonly #row: Row;
  #firewall: Firewall | undefined;

  constructor(scene: Scene, hooks: HostHooks, row: Row) {
    this.#scene = scene;
    this.#hooks = hooks;
    this.#row = row;
  }

  async prepare(): Promise<void> {
    if (this.#row.besideIptables) await this.#there('iptables-nft', '-w', '-P', 'FORWARD', 'DROP');
    await this.#row.prepare?.(await this.#open());
  }
  async act(): Promise<unknown> {
    return this.#row.act(await this.#open());
  }
  async findings(): Promise<readonly string[]> {
    await using firewall = await openFirewall(this.#options({ readOnly: true }), {});
    return (await firewall.audit()).map(({ type, text }) => `${type}: ${text}`);
  }
  async repair(): Promise<void> {
    await this.#open();
  }
  settle(): Promise<void> {
    return Promise.resolve();
  }
  async clear(): Promise<void> {
    await (await this.#open()).shutdown();
    if (this.#row.besideIptables) await this.#there('nft', 'delete', 'table', 'ip', 'filter');
    await this.close();
  }
  async close(): Promise<void> {
    await this.#firewall?.close();
    this.#firewall = undefined;
  }

  async #there(...argv: readonly string[]): Promise<void> {
    await run(['nsenter', `--net=${this.#scene.node}`, ...argv]);
  }

  async #open(): Promise<Firewall> {
    this.#firewall ??= await openFirewall(this.#options({}), this.#hooks);
    return this.#firewall;
  }

  #options(more: FirewallOptionsInput): FirewallOptionsInput {
    return { externalDevices: ['eth0'], netns: this.#scene.node, timeoutMs: 60_000, ...more };
  }
}

export const FIREWALL: readonly Operation[] = ROWS.map((row) => ({
  name: row.name,
  needs: row.besideIptables ? ['nftables', 'iptables-nft'] : ['nftables'],
  survivesCuts: false,
  open: (scene, hooks) => Promise.resolve(new FirewallAttempt(scene, hooks, row)),
}));
