/**
 * A concentrator between the outside and its tenant: `outside` 203.0.113.254, `cnci` with eth0
 * 203.0.113.1 and two subnets, `web` 172.16.1.5 and `mail` 172.16.1.6 on one, `far` 172.16.2.5 on the
 * other.
 */
import { openFirewall, type Firewall } from '#lib/firewall/index';
import type { FirewallHooks } from '#lib/firewall/index';
import type { FirewallOptionsInput } from '#lib/model/index';
import { ipAddresses } from '../../support/oracle';
import { patience, run } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';

export const OUTSIDE = '203.0.113.254';
export const CNCI = '203.0.113.1';
export const WEB = '172.16.1.5';
export const MAIL = '172.16.1.6';
export const FAR = '172.16.2.5';
export const PUBLIC = '203.0.113.100';

export interface Stage {
  readonly box: Sandbox;
  readonly outside: Namespace;
  readonly cnci: Namespace;
  readonly web: Namespace;
  readonly mail: Namespace;
  readonly far: Namespace;
}

export async function nsRun(ns: Namespace, words: string, input?: string): Promise<string> {
  const argv = ['nsenter', `--net=${ns.path}`, ...words.split(' ')];
  return (await run(argv, input === undefined ? {} : { input })).stdout;
}

export async function openStage(box: Sandbox): Promise<Stage> {
  const [outside, cnci, web, mail, far] = [
    await box.netns('outside'),
    await box.netns('cnci', { leaves: [/^sbr_/] }),
    await box.netns('web'),
    await box.netns('mail'),
    await box.netns('far'),
  ];
  await box.link(
    { ns: cnci, name: 'eth0', address: `${CNCI}/24` },
    { ns: outside, name: 'eth0', address: `${OUTSIDE}/24` },
  );
  await box.link({ ns: cnci, name: 'v1' }, { ns: web, name: 'eth0', address: `${WEB}/24` });
  await box.link({ ns: cnci, name: 'v2' }, { ns: mail, name: 'eth0', address: `${MAIL}/24` });
  await box.link({ ns: cnci, name: 'v3' }, { ns: far, name: 'eth0', address: `${FAR}/24` });
  const lines = [
    'link add sbr_1 type bridge',
    'link add sbr_2 type bridge',
    'link set v1 master sbr_1',
    'link set v2 master sbr_1',
    'link set v3 master sbr_2',
    'link set sbr_1 up',
    'link set sbr_2 up',
    'address add 172.16.1.1/24 dev sbr_1',
    'address add 172.16.2.1/24 dev sbr_2',
  ];
  await run(['ip', '-n', cnci.name, '-batch', '-'], { input: `${lines.join('\n')}\n` });
  // Whoever is outside and knows the way tries to get in; and whatever gets out is answered.
  await run(['ip', '-n', outside.name, 'route', 'add', '172.16.0.0/16', 'via', CNCI]);
  for (const [ns, gateway] of [
    [web, '172.16.1.1'],
    [mail, '172.16.1.1'],
    [far, '172.16.2.1'],
  ] as const) {
    await run(['ip', '-n', ns.name, 'route', 'add', 'default', 'via', gateway]);
  }
  return { box, outside, cnci, web, mail, far };
}

export function open(
  { cnci }: Stage,
  options: FirewallOptionsInput = {},
  hooks: FirewallHooks = {},
): Promise<Firewall> {
  const given = { externalDevices: ['eth0'], netns: cnci.path, timeoutMs: 6000 * patience };
  return openFirewall({ ...given, ...options }, hooks);
}

/** A stage with a firewall that is shut down and closed after the body. */
export async function withFirewall(
  body: (firewall: Firewall, stage: Stage) => Promise<void>,
  hooks: FirewallHooks = {},
): Promise<void> {
  await using box = await Sandbox.open();
  const stage = await openStage(box);
  await using firewall = await open(stage, {}, hooks);
  try {
    await body(firewall, stage);
  } finally {
    await firewall.shutdown();
  }
}

/** `nft -j list table inet libsnnet`, the objects of one kind. */
export async function listed<T>(ns: Namespace, kind: string): Promise<T[]> {
  const text = await nsRun(ns, 'nft -j list table inet libsnnet');
  const { nftables } = JSON.parse(text) as { nftables: Record<string, T>[] };
  return nftables.flatMap((row) => row[kind] ?? []);
}

/** Says whether it could be set: without the kernel's module bridged frames are not filtered at all. */
export async function filterBridges(ns: Namespace, value: '0' | '1'): Promise<boolean> {
  await run(['modprobe', '-q', 'br_netfilter'], { check: false }).catch(() => undefined);
  const setting = `net.bridge.bridge-nf-call-iptables=${value}`;
  const argv = ['nsenter', `--net=${ns.path}`, 'sysctl', '-q', '-w', setting];
  return (await run(argv, { check: false })).status === 0;
}

/** The IPv4 addresses as `<link> <address>`; those of IPv6 settle by themselves as time goes by. */
export async function ipv4Addresses(ns: Namespace): Promise<string[]> {
  return (await ipAddresses(ns))
    .filter(({ family }) => family === 'inet')
    .map(({ ifname, local, prefixlen }) => `${ifname} ${local}/${prefixlen}`);
}
