import { needs } from '../support/reasons';
import { runChild } from '../support/child';
import { sleep } from '../support/run';
import { Sandbox } from '../support/sandbox';
import {
  countingChooser,
  errorOf,
  ip,
  linksOf,
  makeHost,
  openNode,
  optionsFor,
  planSent,
  subnetConfig,
  vnicConfig,
} from './helpers/node';

needs('vxlan')('a call that is aborted beforehand touches nothing', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const options = { signal: AbortSignal.abort(new Error('no longer wanted')) };
  const error = await errorOf(node.createVnic(vnicConfig(), options));
  expect(error).toMatchObject({ code: 'SNNET_CALL_ABORTED', operation: 'createVnic' });
  expect((error.cause as Error).message).toBe('no longer wanted');
  for (const call of [
    node.destroyVnic(vnicConfig(), options),
    node.dbRebuild(options),
    node.audit(options),
    node.resetNetwork(options),
    node.repair({}, options),
  ]) {
    expect(await errorOf(call)).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
  }
  expect(await linksOf(ns)).toEqual([]);
});

needs('vxlan')('an abort while queued leaves the queue; the others go on', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, { maxConcurrency: 1 });
  const controller = new AbortController();
  const calls = Array.from({ length: 20 }, (_, n) =>
    node.createVnic(subnetConfig(n), n % 2 === 0 ? {} : { signal: controller.signal }),
  );
  const outcomes = Promise.allSettled(calls);
  controller.abort();
  const results = await outcomes;
  expect(results.map(({ status }) => status)).toEqual(
    Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? 'fulfilled' : 'rejected')),
  );
  expect(node.topology().subnets).toHaveLength(10);
  await node.resetNetwork();
  await node.settle();
});

needs('vxlan')('an abort during the work undoes what was made, and its descriptors', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { sent, fault } = planSent('createVnic');
  await using node = await openNode(ns, {}, { fault });
  const controller = new AbortController();
  const config = vnicConfig(0, { queues: 4 });
  const call = errorOf(node.createVnic(config, { signal: controller.signal }));
  await sent;
  controller.abort();
  expect(await call).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
  await node.dbRebuild();
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
  expect(node.topology().subnets).toEqual([]);
});

needs('vxlan')(
  'who joins a call that its caller gives up still gets the VNIC and the event',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await using node = await openNode(ns);
    const controller = new AbortController();
    const first = errorOf(node.createVnic(vnicConfig(), { signal: controller.signal }));
    const second = node.createVnic(vnicConfig());
    controller.abort();
    expect(await first).toMatchObject({ code: 'SNNET_CALL_ABORTED' });
    expect(await second).toMatchObject({ created: true, event: { kind: 'tunnel-add' } });
    await node.destroyVnic(vnicConfig());
    await node.settle();
  },
);

needs('vxlan')('who comes after everybody gave up does not inherit the abort', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const { sent, fault } = planSent('createVnic');
  await using node = await openNode(ns, {}, { fault });
  const controller = new AbortController();
  const first = errorOf(node.createVnic(vnicConfig(), { signal: controller.signal }));
  await sent;
  controller.abort();
  await first;
  const second = await node.createVnic(vnicConfig());
  expect(second).toMatchObject({ created: true, event: { kind: 'tunnel-add' } });
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('an abort afterwards means nothing', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns);
  const controller = new AbortController();
  await node.createVnic(vnicConfig(), { signal: controller.signal });
  controller.abort();
  await sleep(20);
  expect(node.topology().vnics).toHaveLength(1);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('a deadline bounds the waiting too', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, { maxConcurrency: 1 });
  const calls = Array.from({ length: 40 }, (_, n) =>
    node.createVnic(subnetConfig(n), { timeoutMs: n === 39 ? 1 : 30_000 }),
  );
  const outcomes = await Promise.allSettled(calls);
  const last = outcomes.at(-1);
  expect(last?.status === 'rejected' && last.reason).toMatchObject({
    code: 'SNNET_CALL_TIMEOUT',
    operation: 'createVnic',
  });
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(39);
  await node.resetNetwork();
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});

needs('vxlan')('closing waits for what runs and refuses what is new', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const node = await openNode(ns);
  const calls = Array.from({ length: 10 }, (_, n) => node.createVnic(subnetConfig(n)));
  const rebuild = node.dbRebuild();
  const events = node.watch();
  const read = events.next();
  const closing = node.close();
  expect(await errorOf(node.createVnic(vnicConfig()))).toMatchObject({
    code: 'SNNET_HANDLE_CLOSED',
    operation: 'createVnic',
  });
  expect(await read).toEqual({ done: true, value: undefined });
  await Promise.allSettled([...calls, rebuild]);
  await closing;
  await node.close();
  for (const call of [
    () => node.destroyVnic(vnicConfig()),
    () => node.dbRebuild(),
    () => node.audit(),
    () => node.resetNetwork(),
    () => node.repair(),
    () => node.settle(),
    () => node.createCnciVnic({ tenantId: 't', vnicId: 'v', vnicMac: '02:00:00:00:00:01' }),
  ]) {
    expect(await errorOf(call())).toMatchObject({ code: 'SNNET_HANDLE_CLOSED' });
  }
  expect(() => node.watch()).toThrow(/closed/);
  expect((await Promise.allSettled(calls)).every(({ status }) => status === 'fulfilled')).toBe(
    true,
  );
  // Nothing is torn down by closing.
  await using next = await openNode(ns);
  expect(next.topology().vnics).toHaveLength(10);
  await next.resetNetwork();
  await next.settle();
});

needs('vxlan')('a dry run prints the commands and touches nothing', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  await using node = await openNode(ns, {}, { chooser: countingChooser() });
  const ids = { tenantId: 't', subnetId: 's', concId: 'c' };
  const container = node.plan('createVnic', vnicConfig(0, { ...ids, role: 'container' }));
  expect(container.text).toBe(
    `
ip link add sbr_1 index 805306370 address 02:00:00:00:00:01 mtu 1450 alias "br_t_s_c_198.51.100.9" up addrgenmode none type bridge
sysctl -w net.ipv4.conf.sbr_1.arp_ignore=8
sysctl -w net.ipv4.conf.sbr_1.rp_filter=1
ip link add sgt_3 index 805306372 mtu 1450 master sbr_1 alias "vxlan_t_s_c_198.51.100.9" up addrgenmode none type vxlan id 69804 local 198.51.100.1 remote 198.51.100.9 dstport 4789 nolearning
ip link add svn_5 index 805306374 mtu 1450 master sbr_1 alias "vnic_t_s_c_198.51.100.9##172.16.0.2" up addrgenmode none type veth peer name svp_5 index 805306375 address 02:00:ac:10:00:02 mtu 1450
bridge fdb add 02:00:ac:10:00:02 dev svn_5 master static sticky
sysctl -w net.ipv6.conf.sbr_1.disable_ipv6=1`.trim(),
  );
  const config = vnicConfig(1, ids);
  expect(node.plan('destroyVnic', config).text).toBe('');
  const cnci = { tenantId: 't', vnicId: 'v', vnicMac: '02:00:00:00:01:01', mode: 'vepa' } as const;
  expect(node.plan('createCnciVnic', cnci).text).toMatch(
    /^ip link add svc_8 index \d+ link eth0 address 02:00:00:00:01:01 txqueuelen 500 alias "cncivnic_t_v" up addrgenmode none type macvtap mode vepa$/,
  );
  expect(await linksOf(ns)).toEqual([]);
  expect(node.topology().subnets).toEqual([]);
  const { vnic } = await node.createVnic(config);
  expect(node.plan('createVnic', config).text).toBe('');
  const [subnet] = node.topology().subnets;
  expect(node.plan('destroyVnic', config).text.split('\n')).toEqual([
    `ip link delete ${vnic.linkName}`,
    `ip link delete ${subnet?.tunnel?.linkName}`,
    expect.stringContaining(`ip link delete ${subnet?.bridge?.linkName} #`),
  ]);
  expect(node.plan('createVnic', vnicConfig(2, ids)).text).not.toMatch(/type bridge|type vxlan/);
  await node.destroyVnic(config);
  await node.settle();
});

const unusable: [string, Parameters<typeof openNode>[1], string, RegExp][] = [
  [
    'no network matches',
    { computeNets: ['203.0.113.0/24'] },
    'SNNET_NETWORK_NOT_FOUND',
    /looked for an address in 203\.0\.113\.0\/24; found 198\.51\.100\.1 on eth0, 192\.0\.2\.1 on eth1/,
  ],
  [
    'two links qualify',
    { computeNets: [] },
    'SNNET_NETWORK_AMBIGUOUS',
    /on eth0, 192\.0\.2\.1 on eth1/,
  ],
  ['no link is an uplink', { allowVethUplink: false }, 'SNNET_NETWORK_NOT_FOUND', /found none/],
  ['the namespace is gone', { netns: 'snt-was-never-there' }, 'SNNET_NETNS_NOT_FOUND', /./],
];

test.each(unusable)('a node does not open where %s', async (_why, options, code, text) => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  box.allow(ns, 'anything');
  await ip(ns, 'link add eth1 type veth peer name eth1peer', 'address add 192.0.2.1/24 dev eth1');
  const error = await errorOf(openNode(ns, options));
  expect(error).toMatchObject({ code });
  expect(error.message).toMatch(text);
});

needs('real-root')('without CAP_NET_ADMIN a create says what is missing', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const code = `
    const { openComputeNode } = require('#lib/compute-node/index');
    require('#lib/kernel/native').loadAddon();
    // Only now: nobody else may read what is root's.
    process.setgroups?.([]);
    process.setgid(65534);
    process.setuid(65534);
    (async () => {
      const node = await openComputeNode(JSON.parse(process.argv[1]), {});
      await node.createVnic(JSON.parse(process.argv[2])).catch((error) => process.send(error.toJSON()));
      await node.close();
    })();`;
  const { netns: _own, ...options } = optionsFor(ns);
  const result = await runChild(
    { code },
    { ns, args: [JSON.stringify(options), JSON.stringify(vnicConfig())] },
  );
  expect(result.messages).toMatchObject([
    {
      code: 'SNNET_PRIVILEGE_MISSING',
      operation: 'createVnic',
      cause: { name: expect.stringMatching(/^(EPERM|EACCES)$/) },
    },
  ]);
  expect(await linksOf(ns)).toEqual([]);
});
