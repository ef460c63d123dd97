/**
 * Our own child: the public face of the library, driven by the same commands as the peers.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { ComputeNode } from '#lib/index';
import { Kernel } from '#lib/kernel/index';

import { executeWithAgent } from './ours-agent';
import { executeOnCnci } from './ours-cnci';
import { runOnVnics } from './ours-docker';
import { executeCniCommand } from './ours-cni';
import { executeFirewall } from './ours-firewall';
import { executeOnFrames } from './ours-ssntp';
import { describeVnic, microsecondsSince, serve, type Answer, type Command } from './protocol';

const CALLERS = 128;
const REBUILDS = 9;
const WARM_UP_PAIRS = 2000;
const IDLE_MS = 1500;

let subnets = 0;

interface Vnic extends ReturnType<typeof describeVnic> {
  readonly role: 'vm' | 'container';
  readonly instanceId: string;
}

function describeConfig(number: number, port: number, role: Vnic['role'] = 'vm'): Vnic {
  const vnic = describeVnic(number, port);
  return { ...vnic, role, instanceId: vnic.vnicId.replace('44444444', '55555555') };
}

async function timed(us: number[], work: () => Promise<unknown>): Promise<void> {
  const start = process.hrtime.bigint();
  await work();
  us.push(microsecondsSince(start));
}

async function createWorst(node: ComputeNode, n: number): Promise<Answer> {
  const us: number[] = [];
  for (let i = 0; i < n; i++) {
    const config = describeConfig(++subnets, 0);
    await timed(us, () => node.createVnic(config));
  }
  return { us, count: n };
}

async function createBest(node: ComputeNode, n: number, role: Vnic['role']): Promise<Answer> {
  const us: number[] = [];
  const number = ++subnets;
  await node.createVnic(describeConfig(number, 0));
  for (let port = 1; port <= n; port++) {
    const config = describeConfig(number, port, role);
    await timed(us, () => node.createVnic(config));
  }
  return { us, count: n };
}

/** Longer than the kernel has to do with anything given up: each operation begins from rest. */
const REST_MS = 80;

async function destroyBest(node: ComputeNode, n: number): Promise<Answer> {
  const us: number[] = [];
  const number = ++subnets;
  for (let port = 0; port <= n; port++) await node.createVnic(describeConfig(number, port));
  for (let port = 1; port <= n; port++) {
    const config = describeConfig(number, port);
    await sleep(REST_MS);
    await timed(us, () => node.destroyVnic(config));
  }
  await node.settle();
  return { us, count: n };
}

async function destroyWorst(node: ComputeNode, n: number, untilGone: boolean): Promise<Answer> {
  const us: number[] = [];
  const departures = await Departures.open();
  for (let i = 0; i < n; i++) {
    const config = describeConfig(++subnets, 0);
    await node.createVnic(config);
    await sleep(REST_MS);
    const gone = departures.of(node);
    await timed(us, async () => {
      await node.destroyVnic(config);
      if (untilGone) await gone;
    });
    await gone;
  }
  await departures.close();
  await node.settle();
  return { us, count: n };
}

/** Tells when the kernel has announced that links are gone: what the floor measures too. */
class Departures {
  readonly #kernel: Kernel;
  readonly #waiting = new Map<number, () => void>();

  private constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  static async open(): Promise<Departures> {
    const kernel = await Kernel.open();
    const departures = new Departures(kernel);
    await kernel.watch('deletions', (events) => {
      for (const event of events) {
        if (event.type === 'gone') departures.#waiting.get(event.link.ifindex)?.();
      }
    });
    return departures;
  }

  /** When the one subnet of the node, with all its links, is gone. */
  async of(node: ComputeNode): Promise<void> {
    const [subnet] = node.topology().subnets;
    const links = [subnet?.bridge, subnet?.tunnel, ...(subnet?.vnics ?? [])];
    await Promise.all(
      links.map(
        (link) =>
          new Promise<void>((resolve) => {
            if (link === undefined) throw new Error('the subnet is not complete');
            this.#waiting.set(link.ifIndex, resolve);
          }),
      ),
    );
    this.#waiting.clear();
  }

  async close(): Promise<void> {
    await this.#kernel.close();
  }
}

/** Keeps 128 calls outstanding until every item has been worked on. */
async function crowd<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const left = items[Symbol.iterator]();
  const caller = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}

function describeLoad({ n, subnets: count }: Command): Vnic[] {
  const first = subnets + 1;
  subnets += count;
  return Array.from({ length: n }, (_, i) =>
    describeConfig(first + (i % count), Math.floor(i / count)),
  );
}

async function load(node: ComputeNode, command: Command, destroy: boolean): Promise<Answer> {
  const us: number[] = [];
  const vnics = describeLoad(command);
  await timed(us, () => crowd(vnics, (vnic) => node.createVnic(vnic)));
  if (!destroy) return { us, count: vnics.length };
  const gone: number[] = [];
  await timed(gone, async () => {
    await crowd(vnics, (vnic) => node.destroyVnic(vnic));
    await node.settle();
  });
  return { us: gone, count: vnics.length };
}

async function populate(node: ComputeNode, command: Command): Promise<Answer> {
  const vnics = describeLoad(command);
  await crowd(vnics, (vnic) => node.createVnic(vnic));
  return { us: [], count: vnics.length };
}

async function rebuild(node: ComputeNode): Promise<Answer> {
  const us: number[] = [];
  for (let i = 0; i < REBUILDS; i++) await timed(us, () => node.dbRebuild());
  return { us, count: node.topology().vnics.length };
}

async function reset(node: ComputeNode): Promise<Answer> {
  const us: number[] = [];
  let removed: readonly string[] = [];
  const anchor = await findAnchor();
  await timed(us, async () => {
    ({ removed } = await node.resetNetwork());
    await node.settle();
  });
  return { us, count: removed.filter((name) => name !== anchor).length };
}

/** The device that keeps the VXLAN socket open: the peers have none, so it does not count. */
async function findAnchor(): Promise<string | undefined> {
  const kernel = await Kernel.open();
  const links = await kernel.links();
  await kernel.close();
  return links.find(({ alias }) => alias === 'vxlan_anchor')?.ifname;
}

async function measureDelayP99(during: () => Promise<unknown>): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await during();
  histogram.disable();
  return histogram.percentile(99) / 1e6;
}

async function eventLoop(node: ComputeNode, command: Command): Promise<Answer> {
  const idle = await measureDelayP99(() => sleep(IDLE_MS));
  const busy = await measureDelayP99(() => load(node, command, true));
  return { us: [], count: command.n, value: Math.max(0, busy - idle) };
}

async function measureRss(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(50);
  }
  return process.memoryUsage.rss() / 2 ** 20;
}

/** Pairs of create and destroy beside VNICs that stay, so that bridges stay too. */
async function rss(node: ComputeNode, { n, subnets: count }: Command): Promise<Answer> {
  const first = subnets + 1;
  subnets += count;
  for (let k = 0; k < count; k++) await node.createVnic(describeConfig(first + k, 0));
  const pairs = (many: number): Promise<void> => {
    const turns = Array.from({ length: many }, (_, i) => i);
    return crowd(turns, async (i) => {
      const config = describeConfig(first + (i % count), 1 + (Math.floor(i / count) % 250));
      await node.createVnic(config);
      await node.destroyVnic(config);
    });
  };
  await pairs(WARM_UP_PAIRS);
  await node.settle();
  const before = await measureRss();
  await pairs(n);
  await node.settle();
  return { us: [], count: n, value: (await measureRss()) - before };
}

/** A concentrator moves to another address, and back: one VNIC in each subnet. */
async function repoint(node: ComputeNode, { n, subnets: count }: Command): Promise<Answer> {
  const us: number[] = [];
  const first = subnets + 1;
  subnets += count;
  for (let k = 0; k < count; k++) await node.createVnic(describeConfig(first + k, 0));
  let moved = 0;
  for (let i = 0; i < n; i++) {
    const [from, to] =
      i % 2 === 0 ? ['198.51.100.9', '198.51.100.10'] : ['198.51.100.10', '198.51.100.9'];
    await timed(us, async () => {
      moved = (await node.repointConcentrator({ from, to })).moved.length;
    });
  }
  return { us, count: moved };
}

async function executeOnNode(node: ComputeNode, command: Command): Promise<Answer> {
  switch (command.cmd) {
    case 'create-worst-vm':
      return createWorst(node, command.n);
    case 'create-best-vm':
      return createBest(node, command.n, 'vm');
    case 'create-best-container':
      return createBest(node, command.n, 'container');
    case 'destroy-best-vm':
      return destroyBest(node, command.n);
    case 'destroy-worst-vm-answered':
      return destroyWorst(node, command.n, false);
    case 'destroy-worst-vm-gone':
      return destroyWorst(node, command.n, true);
    case 'load-create':
      return load(node, command, false);
    case 'load-destroy':
      return load(node, command, true);
    case 'populate':
      return populate(node, command);
    case 'rebuild':
      return rebuild(node);
    case 'reset':
      return reset(node);
    case 'event-loop':
      return eventLoop(node, command);
    case 'rss':
      return rss(node, command);
    case 'repoint':
      return repoint(node, command);
    case 'docker-run':
      return runOnVnics(node, command.n);
    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

const openNode = (): Promise<ComputeNode> =>
  ComputeNode.open({
    id: '1f8b0000-0000-4000-8000-000000000001',
    mode: 'vxlan',
    computeNets: ['198.51.100.0/24'],
    allowVethUplink: true,
  });

async function main(): Promise<void> {
  let node: ComputeNode | undefined;
  await serve(async (command) => {
    const elsewhere =
      executeOnFrames(command) ??
      (await executeWithAgent(command)) ??
      (await executeFirewall(command)) ??
      (await executeOnCnci(command)) ??
      (await executeCniCommand(command));
    if (elsewhere !== undefined) return elsewhere;
    node ??= await openNode();
    return executeOnNode(node, command);
  });
  await node?.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
