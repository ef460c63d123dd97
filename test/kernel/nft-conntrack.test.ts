/** Flows are found by what they are, and ended by exactly that. */
import { APIError } from '#lib/errors/index';
import type { ConntrackTuple } from '#lib/plan/index';
import { NodeChild } from '../support/child';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Bed, rejection } from './helpers/bed';
import { nft } from './helpers/nft';

const it = needs('nftables');
const SERVER = '192.0.2.2';

/** A client and a server in two namespaces; the client's, which tracks, is the bed's. */
async function openPair() {
  const bed = await Bed.open();
  const server = await bed.box.netns('server', { leaves: 'anything' });
  await bed.ipBatch([
    `link add c0 type veth peer name s0 netns ${server.name}`,
    'address add 192.0.2.1/24 dev c0',
    'link set c0 up',
  ]);
  const lines = `address add ${SERVER}/24 dev s0\naddress add 192.0.2.3/24 dev s0\nlink set s0 up\n`;
  await run(['ip', '-n', server.name, '-batch', '-'], { input: lines });
  await nft(
    bed.ns,
    `table ip t { chain c { type filter hook output priority 0; ct state new ct mark set 9; };
                  chain n { type nat hook output priority -100; udp dport 9999 dnat to 192.0.2.3:53; }; }`,
  );
  const child = new NodeChild({ code: SENDER }, { ns: bed.ns });
  await child.waitForMessages(1);
  let said = 1;
  return {
    bed,
    /** Sends one datagram for each; resolves when the kernel has taken them. */
    send: async (flows: readonly (readonly [number, number, string])[]): Promise<void> => {
      child.send(flows);
      await child.waitForMessages(++said);
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await child.kill();
      await bed[Symbol.asyncDispose]();
    },
  };
}

const SENDER = `
  const { createSocket } = require('node:dgram');
  const send = ([from, to, address]) => new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.bind(from, () => socket.send('x', to, address, (error) => {
      socket.close();
      if (error) reject(error); else resolve();
    }));
  });
  process.on('message', async (flows) => {
    for (const flow of flows) await send(flow);
    process.send('sent');
  });
  process.send('ready');`;

const udp = (sourcePort: number, destinationPort: number): ConntrackTuple => ({
  protocol: 'udp',
  source: '192.0.2.1',
  destination: SERVER,
  sourcePort,
  destinationPort,
});

it('flows are read, filtered, and ended by their tuple', async () => {
  await using pair = await openPair();
  const { kernel } = pair.bed;
  await pair.send([
    [4001, 53, SERVER],
    [4002, 53, SERVER],
    [4003, 54, SERVER],
    [4004, 9999, SERVER],
  ]);
  const all = await kernel.conntrack({ protocol: 'udp', source: '192.0.2.1' });
  expect(all.map(({ original }) => original.sourcePort).sort()).toEqual([4001, 4002, 4003, 4004]);
  expect(all.find(({ original }) => original.sourcePort === 4004)).toMatchObject({
    original: udp(4004, 9999),
    reply: { protocol: 'udp', source: '192.0.2.3', sourcePort: 53, destinationPort: 4004 },
    mark: 9,
    zone: 0,
  });
  const portsOf = async (filter: Parameters<typeof kernel.conntrack>[0]) =>
    (await kernel.conntrack(filter)).map(({ original }) => original.sourcePort).sort();
  expect(await portsOf({ protocol: 'udp', destinationPort: 53 })).toEqual([4001, 4002]);
  expect(await portsOf({ destinationPort: 54 })).toEqual([4003]);
  expect(await portsOf({ replySource: '192.0.2.3' })).toEqual([4004]);
  expect(await portsOf({ destination: '192.0.2.9' })).toEqual([]);
  expect(await portsOf({ protocol: 'tcp' })).toEqual([]);
  // One that is there, one that is not: both are gone afterwards.
  const flows = [udp(4001, 53), udp(4999, 53), udp(4004, 9999)];
  await pair.bed.run([{ op: 'conntrack.delete', flows }]);
  expect(await portsOf({ source: '192.0.2.1' })).toEqual([4002, 4003]);
});

it('an echo of ICMP is ended by its identifier', async () => {
  await using pair = await openPair();
  const { kernel, ns } = pair.bed;
  await run(['nsenter', `--net=${ns.path}`, 'ping', '-c', '1', '-n', SERVER]);
  const [flow, ...others] = await kernel.conntrack({ protocol: 'icmp' });
  expect(others).toEqual([]);
  expect(flow?.original).toMatchObject({
    protocol: 'icmp',
    destination: SERVER,
    destinationPort: 0x0800,
  });
  await pair.bed.run([
    { op: 'conntrack.delete', flows: flow === undefined ? [] : [flow.original] },
  ]);
  expect(await kernel.conntrack({ protocol: 'icmp' })).toEqual([]);
});

it('a thousand flows end in one step', async () => {
  await using pair = await openPair();
  const count = process.env['SNNET_GUEST'] === undefined ? 1500 : 100;
  const numbers = Array.from({ length: count }, (_, n) => n + 10_000);
  await pair.send(numbers.map((port) => [port, 53, SERVER] as const));
  expect(await pair.bed.kernel.conntrack({ source: '192.0.2.1' })).toHaveLength(count);
  await pair.bed.run([{ op: 'conntrack.delete', flows: numbers.map((port) => udp(port, 53)) }]);
  expect(await pair.bed.kernel.conntrack({ source: '192.0.2.1' })).toEqual([]);
}, 60_000);

it('a closed handle refuses to read', async () => {
  await using bed = await Bed.open();
  await bed.kernel.close();
  for (const call of [
    () => bed.kernel.conntrack(),
    () => bed.kernel.nft('inet', 'x'),
    () => bed.kernel.nftTables(),
    () => bed.kernel.nftRules('ip', 'x', 'y'),
    () => bed.kernel.nftGeneration(),
  ]) {
    const error = await rejection(call());
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  }
});
