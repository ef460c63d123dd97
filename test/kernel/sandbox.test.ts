/** The sandbox is the judge of all other kernel tests, so it is tried first: does it see a leak? */
import { openSync, closeSync } from 'node:fs';
import { runChild, NodeChild } from '../support/child';
import { listNamespaces } from '../support/namespaces';
import {
  bridgeFdb,
  capture,
  ipAddresses,
  ipLink,
  ipLinks,
  ipRoutes,
  ping,
} from '../support/oracle';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';

const shared = { scope: 'manual' } as const;

test('two namespaces talk over a link', async () => {
  await using box = await Sandbox.open();
  const a = await box.netns('a');
  const b = await box.netns('b');
  await box.link(
    { ns: a, name: 'eth0', address: '192.0.2.1/24', mtu: 1400 },
    { ns: b, name: 'eth0', address: '192.0.2.2/24', mtu: 1400 },
  );
  expect(await ping(a, '192.0.2.2', { count: 2 })).toEqual({ sent: 2, received: 2 });
  expect(await ping(a, '192.0.2.2', { count: 1, size: 1373, dontFragment: true })).toMatchObject({
    received: 0,
  });
  expect((await ipLink(a, 'eth0')).mtu).toBe(1400);
  expect((await ipAddresses(a)).map(({ local }) => local)).toContain('192.0.2.1');
  expect((await ipRoutes(a)).map(({ dst }) => dst)).toEqual(['192.0.2.0/24']);
  expect((await bridgeFdb(a)).map(({ ifname }) => ifname)).toContain('eth0');
});

needs('capture')('a capture sees the packets that come', async () => {
  await using box = await Sandbox.open();
  const a = await box.netns('a');
  const b = await box.netns('b');
  await box.link(
    { ns: a, name: 'eth0', address: '192.0.2.1/24' },
    { ns: b, name: 'eth0', address: '192.0.2.2/24' },
  );
  await using seen = await capture(b, 'eth0', 'icmp');
  await ping(a, '192.0.2.2', { count: 1 });
  expect((await seen.waitFor(2))[0]).toMatch(/192\.0\.2\.1 > 192\.0\.2\.2: ICMP echo request/);
});

test('a link that a test leaves is named', async () => {
  const box = await Sandbox.open(shared);
  const ns = await box.netns('a');
  await box.exec(ns, ['ip', 'link', 'add', 'left', 'type', 'bridge']);
  await expect(box.close()).rejects.toThrow(`link left (bridge) in ${ns.name}`);
  expect(listNamespaces()).not.toContain(ns.name);
});

test('a link that a test says it leaves is no leak', async () => {
  await using box = await Sandbox.open();
  const ns = await box.netns('a', { leaves: [/^br/] });
  await box.exec(ns, ['ip', 'link', 'add', 'br0', 'type', 'bridge']);
  expect((await ipLinks(ns)).map(({ ifname }) => ifname)).toContain('br0');
});

test('a table of the packet filter that a test leaves is named', async () => {
  const box = await Sandbox.open(shared);
  const ns = await box.netns('a');
  await box.exec(ns, ['nft', 'add', 'table', 'ip', 'left']);
  await expect(box.close()).rejects.toThrow(`nft table ip left in ${ns.name}`);
});

test('a process that a test leaves is named and ended', async () => {
  const box = await Sandbox.open(shared);
  const ns = await box.netns('a');
  const child = new NodeChild({ code: 'process.send("up"); setInterval(() => {}, 1000)' }, { ns });
  await child.waitForMessages(1);
  await expect(box.close()).rejects.toThrow(`process ${child.pid} in ${ns.name}`);
  expect(await child.finished).toMatchObject({ signal: 'SIGKILL' });
});

test('a descriptor that a test leaves is named', async () => {
  const box = await Sandbox.open(shared);
  const fd = openSync('/proc/self/status', 'r');
  await expect(box.close()).rejects.toThrow(`descriptor ${fd} -> /proc/`);
  closeSync(fd);
});

test('a tool of the sandbox ends with it', async () => {
  const box = await Sandbox.open(shared);
  const tool = await box.start(await box.netns('a'), ['sleep', '1000']);
  await box.close();
  expect(tool.running).toBe(false);
});

test('a child tells its status, its messages and its output', async () => {
  const code =
    'process.send({ n: Number(process.argv[1]) }); console.log("hi"); process.exitCode = 3';
  const result = await runChild({ code }, { args: ['7'] });
  expect(result).toMatchObject({
    status: 3,
    messages: [{ n: 7 }],
    stdout: 'hi\n',
    timedOut: false,
  });
});
