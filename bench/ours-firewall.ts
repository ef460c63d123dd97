/**
 * Our own child on a firewall: port mappings, public addresses, and what packets pay for them.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { Firewall, type PortMapping } from '#lib/index';

import {
  EXTERNAL,
  ONES,
  REST_AFTER_TRANSACTION_MS,
  cyclesFor,
  describeMappings,
  describePublicIp,
  microsecondsSince,
  type Answer,
  type Command,
} from './protocol';
import { WIRE, measureFlows } from './wire';

const CYCLES = 25;

// One literal, as in the README: of objects that are spread into others, each is laid out by itself.
function mappings(from: number, count: number, externalDevice: string = EXTERNAL): PortMapping[] {
  return describeMappings(from, count).map(({ externalPort, internalIp, internalPort }) => ({
    protocol: 'tcp',
    externalDevice,
    externalPort,
    internalIp,
    internalPort,
  }));
}

async function timed(us: number[], work: () => Promise<unknown>): Promise<void> {
  const start = process.hrtime.bigint();
  await work();
  us.push(microsecondsSince(start));
}

async function countPorts(firewall: Firewall): Promise<number> {
  return (await firewall.state()).ports.length;
}

async function withFirewall(body: (firewall: Firewall) => Promise<Answer>): Promise<Answer> {
  const firewall = await Firewall.open({ externalDevices: [EXTERNAL] });
  try {
    return await body(firewall);
  } finally {
    await firewall.shutdown();
    await firewall.close();
  }
}

/** All in one call, and gone again in one call. */
async function forward(n: number, which: 'on' | 'off'): Promise<Answer> {
  return withFirewall(async (firewall) => {
    const list = mappings(0, n);
    const on: number[] = [];
    const off: number[] = [];
    let count = 0;
    const { warmUp, timed: cycles } = cyclesFor(n);
    for (let i = -warmUp; i < cycles; i++) {
      // Only the last is looked at: what a look leaves behind, the next cycle would clear away.
      const isLast = i === cycles - 1;
      await sleep(REST_AFTER_TRANSACTION_MS);
      await timed(on, () => firewall.extPortAccess('enable', list));
      if (isLast) count = await countPorts(firewall);
      await sleep(REST_AFTER_TRANSACTION_MS);
      await timed(off, () => firewall.extPortAccess('disable', list));
      if (isLast) count -= await countPorts(firewall);
    }
    return { us: (which === 'on' ? on : off).slice(warmUp), count };
  });
}

async function forwardOne(present: number): Promise<Answer> {
  return withFirewall(async (firewall) => {
    await firewall.extPortAccess('enable', mappings(0, present));
    const [one] = mappings(present, 1);
    const us: number[] = [];
    for (let i = 0; i < ONES && one !== undefined; i++) {
      if (i > 0) await firewall.extPortAccess('disable', one);
      await timed(us, () => firewall.extPortAccess('enable', one));
    }
    return { us, count: await countPorts(firewall) };
  });
}

async function publicIp(n: number): Promise<Answer> {
  return withFirewall(async (firewall) => {
    const list = Array.from({ length: n }, (_, i) => ({
      ...describePublicIp(i),
      externalDevice: EXTERNAL,
    }));
    const us: number[] = [];
    let count = 0;
    for (let i = 0; i < CYCLES; i++) {
      await timed(us, () => firewall.publicIpAccess('enable', list));
      count = (await firewall.state()).publicIps.length;
      await firewall.publicIpAccess('disable', list);
    }
    return { us, count };
  });
}

/** What one process left another takes over: all is read, nothing is written but whose it is. */
async function readopt(n: number): Promise<Answer> {
  const us: number[] = [];
  let firewall = await Firewall.open({ externalDevices: [EXTERNAL] });
  await firewall.extPortAccess('enable', mappings(0, n));
  for (let i = 0; i < CYCLES; i++) {
    await firewall.close();
    await timed(us, async () => {
      firewall = await Firewall.open({ externalDevices: [EXTERNAL] });
    });
  }
  const count = await countPorts(firewall);
  await firewall.shutdown();
  await firewall.close();
  return { us, count };
}

async function flows(command: Command): Promise<Answer> {
  let firewall: Firewall | undefined;
  try {
    return await measureFlows(command, async () => {
      firewall = await Firewall.open({ externalDevices: [WIRE.external] });
      await firewall.extPortAccess('enable', mappings(0, command.present, WIRE.external));
    });
  } finally {
    await firewall?.shutdown();
    await firewall?.close();
  }
}

/** Nothing where the command is for somebody else. */
export async function executeFirewall(command: Command): Promise<Answer | undefined> {
  switch (command.cmd) {
    case 'forward':
      return forward(command.n, 'on');
    case 'forward-off':
      return forward(command.n, 'off');
    case 'forward-one':
      return forwardOne(command.present);
    case 'public-ip':
      return publicIp(command.n);
    case 'readopt':
      return readopt(command.n);
    case 'new-flow':
    case 'new-flow-over':
    case 'established-flow':
      return flows(command);
    default:
      return undefined;
  }
}
