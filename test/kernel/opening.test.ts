/** Where a kernel cannot be opened, or nothing may be done with it. */
import { APIError } from '#lib/errors/index';
import { Kernel } from '#lib/kernel/index';
import { PACKAGE_ROOT } from '../support/child';
import { AS_NOBODY, run } from '../support/run';
import { Bed, rejection } from './helpers/bed';

test('a namespace that does not exist', async () => {
  const error = await rejection(Kernel.open({ netns: 'snt-no-such-namespace' }));
  expect(error).toMatchObject({ code: 'SNNET_NETNS_NOT_FOUND' });
  expect(await rejection(Kernel.open({ netns: '/nowhere/at/all' }))).toMatchObject({
    code: 'SNNET_NETNS_NOT_FOUND',
  });
  expect(await rejection(Kernel.open({ netns: '/etc/passwd' }))).toBeInstanceOf(APIError);
});

test('without the privilege it is refused with that word, and nothing is left', async () => {
  await using bed = await Bed.open();
  const code = `
    const { Kernel } = require('./dist/kernel');
    const { makePlan } = require('./dist/plan');
    const codeOf = (steps) => kernel.run(makePlan('test', steps)).then(() => 'done', (error) => error.code);
    let kernel;
    (async () => {
      kernel = await Kernel.open();
      const links = (await kernel.links()).length;
      const bridge = await codeOf([{ op: 'link.create', kind: 'bridge', ifname: 'x', ifindex: 77 }]);
      const set = await codeOf([{ op: 'link.set', ifindex: 1, mtu: 1300, before: { mtu: 1500 } }]);
      const gone = await codeOf([{ op: 'link.delete', links: [{ ifindex: 1, ifname: 'lo', alias: '' }] }]);
      const enter = await Kernel.open({ fresh: true }).then(() => 'done', (error) => error.code);
      await kernel.close();
      console.log(JSON.stringify({ links, bridge, set, gone, enter }));
    })();`;
  const enter = ['nsenter', `--net=${bed.ns.path}`, ...AS_NOBODY];
  const { stdout } = await run([...enter, process.execPath, '-e', code], {
    cwd: PACKAGE_ROOT,
    timeoutMs: 60_000,
  });
  const refusal = 'SNNET_PRIVILEGE_MISSING';
  const links = (await bed.kernel.links()).length;
  expect(JSON.parse(stdout)).toEqual({
    links,
    bridge: refusal,
    set: refusal,
    gone: refusal,
    enter: refusal,
  });
});
