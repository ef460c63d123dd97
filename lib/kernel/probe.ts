import { KernelError, isLibsnnetError } from '../errors';
import { makePlan } from '../plan';
import type { LinkCreate, Step } from '../plan';
import { Kernel } from './kernel';
import { probeNft } from './probe-nft';
import type { NftCapabilities } from './probe-nft';

/** What this kernel and these privileges allow. */
export interface Capabilities {
  /** `false` where the kernel doesn't have the kind, or its module can't be loaded. */
  readonly linkKinds: Readonly<Record<ProbedKind, boolean>>;
  /** `/dev/net/tun` is there and may be opened. */
  readonly tun: boolean;
  /** Links may be created (CAP_NET_ADMIN). */
  readonly netAdmin: boolean;
  /** Network namespaces may be made (CAP_SYS_ADMIN). */
  readonly namespaces: boolean;
  readonly nft: NftCapabilities;
  /** Why something is missing and what to do, for people. */
  readonly remarks: readonly string[];
}

export type ProbedKind =
  'bridge' | 'veth' | 'macvtap' | 'vxlan' | 'gretap' | 'gre' | 'geneve' | 'dummy';

const FIRST_INDEX = 0x2000_0000;
// An index that no bridge has: with it the kernel makes the link and takes it back (EINVAL), but says
// EOPNOTSUPP first where it doesn't know the kind. A macvtap on the loopback device gets EINVAL too.
const NO_SUCH_MASTER = 0x7fff_ffff;

const MODULES: Partial<Record<ProbedKind, string>> = {
  gretap: 'ip_gre',
  gre: 'ip_gre',
  geneve: 'geneve',
  vxlan: 'vxlan',
  macvtap: 'macvtap',
  bridge: 'bridge',
};

/**
 * Finds out what the kernel and the privileges of this process allow. Looks in a namespace of its own
 * that vanishes with it; without the right to make one, it tries in the present namespace links that
 * the kernel refuses to keep, and nothing stays.
 *
 * @throws {@link APIError} `SNNET_ADDON_MISSING` where the addon can't be loaded.
 */
export async function probe(): Promise<Capabilities> {
  const fresh = await openFresh();
  const kernel = fresh ?? (await Kernel.open());
  try {
    return await probeWith(kernel, fresh !== undefined);
  } finally {
    await kernel.close();
  }
}

async function openFresh(): Promise<Kernel | undefined> {
  try {
    return await Kernel.open({ fresh: true });
  } catch (error) {
    if (isLibsnnetError(error, 'SNNET_PRIVILEGE_MISSING')) return undefined;
    throw error;
  }
}

async function probeWith(kernel: Kernel, isFresh: boolean): Promise<Capabilities> {
  const remarks: string[] = [];
  const outcome = {} as Record<ProbedKind, string | undefined>;
  for (const [kind, step] of probes()) {
    outcome[kind] = await refusal(kernel, { ...step, ...(!isFresh && { master: NO_SUCH_MASTER }) });
  }
  const netAdmin = !Object.values(outcome).includes('EPERM');
  if (!netAdmin) remarks.push('links cannot be changed here: run as root or grant CAP_NET_ADMIN');
  const linkKinds = {} as Record<ProbedKind, boolean>;
  for (const kind of Object.keys(outcome) as ProbedKind[]) {
    const errno = outcome[kind];
    linkKinds[kind] = errno === undefined || errno === 'EINVAL';
    if (linkKinds[kind] || !netAdmin) continue;
    const module = MODULES[kind];
    const load = module === undefined ? '' : `; load ${module} if the kernel was built with it`;
    remarks.push(`this kernel has no ${kind} (${String(errno)})${load}`);
  }
  const tun = await refusal(kernel, tapStep());
  if (tun !== undefined) remarks.push(`taps cannot be made (${tun}): is /dev/net/tun there?`);
  const nft = await probeNft(kernel, isFresh, remarks);
  if (!isFresh) remarks.push('network namespaces cannot be made: CAP_SYS_ADMIN is missing');
  return Object.freeze({
    linkKinds: Object.freeze(linkKinds),
    tun: tun === undefined,
    netAdmin,
    namespaces: isFresh,
    nft,
    remarks: Object.freeze(remarks),
  });
}

/** The errno name that a step gets; `undefined` where it works. It is taken back at once. */
async function refusal(kernel: Kernel, step: Step): Promise<string | undefined> {
  try {
    // The second step fails by itself, so that the first is rolled back in the same call.
    await kernel.run(makePlan('probe', [step, { op: 'link.set', ifindex: NO_SUCH_MASTER }]));
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof KernelError)) throw error;
    return cause.name === 'ENODEV' ? undefined : cause.name;
  }
  return undefined;
}

function tapStep(): Step {
  return {
    op: 'tap.create',
    ifname: 'snn_probe',
    ifindex: FIRST_INDEX,
    queues: 1,
    handOut: false,
  };
}

function probes(): [ProbedKind, LinkCreate][] {
  const base = { op: 'link.create', ifname: 'snn_probe', ifindex: FIRST_INDEX } as const;
  const peer = { ifname: 'snn_probe2', ifindex: FIRST_INDEX + 1 };
  // Never up, so that nothing is sent; the addresses are of the range for documentation (RFC 5737).
  const gre = { local: '192.0.2.1', remote: '192.0.2.2', key: 1, pmtudisc: true };
  const port = 4789;
  return [
    ['bridge', { ...base, kind: 'bridge' }],
    ['veth', { ...base, kind: 'veth', peer }],
    ['macvtap', { ...base, kind: 'macvtap', link: 1, data: { mode: 'bridge' } }],
    ['vxlan', { ...base, kind: 'vxlan', data: { vni: 0xffffff, remote: '192.0.2.2', port } }],
    ['gretap', { ...base, kind: 'gretap', data: gre }],
    ['gre', { ...base, kind: 'gre', data: gre }],
    [
      'geneve',
      { ...base, kind: 'geneve', data: { vni: 0xffffff, remote: '192.0.2.2', port: 6081 } },
    ],
    ['dummy', { ...base, kind: 'dummy' }],
  ];
}
