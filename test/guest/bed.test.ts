/** The bed itself: are these tests where they believe to be, and is there what they came for? */
import { release } from 'node:os';
import { needs, whereabouts } from '../support/reasons';
import { ipLink, ipLinks } from '../support/oracle';
import { Sandbox } from '../support/sandbox';

test('the kernel is the one that was asked for', () => {
  expect(release().startsWith(`${whereabouts()}.`)).toBe(true);
});

const tunnels: readonly (readonly [string, string])[] = [
  ['gretap', 'local 192.0.2.1 remote 192.0.2.2 key 7'],
  ['geneve', 'id 7 remote 192.0.2.2'],
  ['vxlan', 'id 7 dstport 4789 remote 192.0.2.2 local 192.0.2.1'],
];

test.each(tunnels)('the kernel makes a tunnel of kind %s', async (kind, data) => {
  await using box = await Sandbox.open();
  const ns = await box.netns('bed', { leaves: ['tunnel0'] });
  const words = `link add tunnel0 type ${kind} ${data}`.split(' ');
  await box.exec(ns, ['ip', ...words]);
  const link = await ipLink(ns, 'tunnel0');
  expect(link.linkinfo?.info_kind).toBe(kind);
});

test('the kernel makes a tap', async () => {
  await using box = await Sandbox.open();
  const ns = await box.netns('bed', { leaves: ['tap0'] });
  await box.exec(ns, ['ip', 'tuntap', 'add', 'tap0', 'mode', 'tap']);
  const link = await ipLink(ns, 'tap0');
  expect(link.linkinfo?.info_kind).toBe('tun');
});

needs('bridge-conntrack', 'flowtable')('the packet filter is complete', async () => {
  await using box = await Sandbox.open();
  const ns = await box.netns('bed');
  expect((await ipLinks(ns)).map(({ ifname }) => ifname)).toContain('lo');
});
