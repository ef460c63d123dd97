import type { VnicConfigInput } from '#lib/model/index';
import type { Fault, Plan } from '#lib/plan/index';

import { needs, whereabouts } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import {
  KINDS,
  countingChooser,
  errorOf,
  findDisorder,
  linksOf,
  makeHost,
  namesOf,
  openNode,
  ourLinks,
  vnicConfig,
} from './helpers/node';

const ERRNOS = ['EEXIST', 'ENODEV', 'EBUSY', 'ENOBUFS', 'EPERM', 'EOPNOTSUPP'];

/** All of them; on an emulated processor one for each step, another each time. */
function errnosAt(step: number): readonly string[] {
  return whereabouts() === 'host' ? ERRNOS : ERRNOS.slice(step % ERRNOS.length).slice(0, 1);
}

/** Fails the next plans of an operation at one step. */
class Saboteur {
  fault: Fault | undefined;
  times = 0;
  plans: Plan[] = [];

  readonly hook = (plan: Plan): Fault | undefined => {
    if (plan.operation !== 'createVnic') return undefined;
    this.plans.push(plan);
    if (this.times === 0) return undefined;
    this.times -= 1;
    return this.fault;
  };
}

async function configOf(what: string, box: Sandbox): Promise<Partial<VnicConfigInput>> {
  if (what === 'vm') return { role: 'vm' };
  if (what === 'container') return { role: 'container' };
  const { path: netns } = await box.netns('container');
  return { role: 'container', altName: 'an-other-name', attach: { netns, ifname: 'net0' } };
}

for (const { mode, test } of KINDS) {
  for (const what of ['vm', 'container', 'container in its namespace'] as const) {
    test(`a create of a ${what} on ${mode} that fails at any step leaves nothing, and can be repeated`, async () => {
      await using box = await Sandbox.open();
      const ns = await makeHost(box);
      const saboteur = new Saboteur();
      await using node = await openNode(ns, { mode }, { fault: saboteur.hook });
      const config = vnicConfig(0, await configOf(what, box));
      const steps = node.plan('createVnic', config).plan.steps.length;
      for (let step = 0; step < steps; step += 1) {
        for (const errno of errnosAt(step)) {
          saboteur.fault = { step, errno };
          saboteur.times = 3;
          const tolerated = saboteur.plans.length;
          const outcome = await node.createVnic(config).catch((error: unknown) => error);
          saboteur.times = 0;
          const failed = saboteur.plans[tolerated]?.steps[step]?.step;
          if (failed?.tolerate?.includes(errno) === true) {
            expect(outcome).toMatchObject({ created: true });
            await node.destroyVnic(config);
            await node.settle();
          } else {
            expect(outcome).toMatchObject({
              operation: 'createVnic',
              step: { index: step, text: expect.any(String) },
              cause: { name: errno },
            });
            await node.settle();
            expect(await linksOf(ns)).toEqual([]);
            expect(node.topology().subnets).toEqual([]);
          }
        }
        expect((await node.createVnic(config)).vnic.ip).toBe(config.vnicIp);
        expect(await findDisorder(ns)).toEqual([]);
        expect((await node.destroyVnic(config)).event?.kind).toBe('tunnel-del');
        await node.settle();
      }
    }, 120_000);
  }
}

needs('vxlan')('a second VNIC that fails leaves the first as it is', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const saboteur = new Saboteur();
  await using node = await openNode(ns, {}, { fault: saboteur.hook });
  await node.createVnic(vnicConfig());
  const before = await namesOf(ns);
  for (const step of [0, 1]) {
    saboteur.fault = { step, errno: 'ENOBUFS' };
    saboteur.times = 1;
    expect(await errorOf(node.createVnic(vnicConfig(1)))).toMatchObject({
      code: 'SNNET_KERNEL_FAILED',
    });
    await node.settle();
    expect((await namesOf(ns)).filter((name) => !before.includes(name))).toEqual(
      expect.not.arrayContaining([expect.stringMatching(/^svn_/)]),
    );
  }
  expect(await findDisorder(ns)).toEqual([]);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')('a collision is answered by another choice', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const saboteur = new Saboteur();
  await using node = await openNode(ns, {}, { fault: saboteur.hook });
  saboteur.fault = { step: 0, errno: 'EEXIST' };
  saboteur.times = 2;
  expect((await node.createVnic(vnicConfig())).created).toBe(true);
  expect(saboteur.plans).toHaveLength(3);
  await node.destroyVnic(vnicConfig());
  await node.settle();
});

needs('vxlan')(
  'a name or an index that is taken costs another try, and the holder nothing',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    box.allow(ns, ['eth0', 'eth0peer', 'svn_beef', 'theirs']);
    await box.exec(ns, ['ip', 'link', 'add', 'svn_beef', 'type', 'bridge']);
    await box.exec(ns, ['ip', 'link', 'add', 'theirs', 'index', '777777', 'type', 'bridge']);
    const names = ['sbr_a', 'sgt_a', 'svn_beef'];
    const indexes = [777_700, 777_701, 777_702, 777_703, 777_777 - 1000, 777_777];
    const chooser = countingChooser(undefined, { names, indexes });
    await using node = await openNode(ns, {}, { chooser });
    indexes[4] = 777_777;
    const first = await node.createVnic(vnicConfig());
    expect(first.created).toBe(true);
    expect(await findDisorder(ns)).toEqual([]);
    indexes.splice(0, Infinity, 777_777);
    expect((await node.createVnic(vnicConfig(1))).created).toBe(true);
    expect(await namesOf(ns)).toEqual(expect.arrayContaining(['svn_beef', 'theirs']));
    await node.destroyVnic(vnicConfig());
    await node.destroyVnic(vnicConfig(1));
    await node.settle();
  },
);

needs('vxlan')('a destroy that fails can be repeated', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  let isFailing = false;
  const fault = (plan: Plan): Fault | undefined =>
    isFailing && plan.operation === 'destroyVnic' ? { step: 0, errno: 'ENOBUFS' } : undefined;
  await using node = await openNode(ns, {}, { fault });
  await node.createVnic(vnicConfig());
  isFailing = true;
  expect(await errorOf(node.destroyVnic(vnicConfig()))).toMatchObject({
    code: 'SNNET_KERNEL_FAILED',
    operation: 'destroyVnic',
    cause: { name: 'ENOBUFS' },
  });
  isFailing = false;
  expect(await findDisorder(ns)).toEqual([]);
  expect(await node.createVnic(vnicConfig())).toMatchObject({ created: false });
  expect((await node.destroyVnic(vnicConfig())).event?.kind).toBe('tunnel-del');
  await node.settle();
  expect(await ourLinks(ns)).toMatchObject({ bridges: [], tunnels: [] });
});

needs('vxlan')('a kernel without GRE says so, and what to do', async () => {
  await using box = await Sandbox.open();
  const ns = await makeHost(box);
  const fault = (plan: Plan): Fault | undefined => {
    const step = plan.steps.findIndex(
      (planned) => planned.step.op === 'link.create' && planned.step.kind === 'gretap',
    );
    return step < 0 ? undefined : { step, errno: 'EOPNOTSUPP' };
  };
  await using node = await openNode(ns, { mode: 'gre' }, { fault });
  const error = await errorOf(node.createVnic(vnicConfig()));
  expect(error).toMatchObject({ code: 'SNNET_KIND_UNSUPPORTED', operation: 'createVnic' });
  expect(error.message).toMatch(/this kernel has no gretap: use mode vxlan, or load ip_gre/);
  await node.settle();
  expect(await linksOf(ns)).toEqual([]);
});
