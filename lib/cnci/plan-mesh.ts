import { LINK_PREFIX, addressToNumber, macOfAddress, meshMtuFor } from '../model';
import type { MeshKind, Neighborhood } from '../model';
import { makePlan } from '../plan';
import type { LinkCreate, LinkSet, LinkDelete, Plan, Step } from '../plan';
import type { KnownMesh } from '../topology';
import { MESH_NAME } from './mesh-state';
import type { MeshAddress, MeshRoute, MeshState } from './mesh-state';
import type { PlanningHost } from './plan-subnet';

const OPERATION = 'updateNeighbors';

/** What the mesh is to be. */
export interface MeshSpec {
  readonly kind: MeshKind;
  readonly prefixLength: number;
  readonly neighborhood: Neighborhood;
}

export interface MeshUpdate {
  readonly plan: Plan;
  /** What there is when the plan has run. */
  readonly state: MeshState;
  readonly madeLink: boolean;
}

// The kernel looks through all gateways of a device that have the same metric before it adds one
// (net/ipv4/fib_semantics.c fib_find_info): 65,536 took minutes. Destinations are all different, so
// metrics decide nothing.
const MANY_ROUTES = 1024;
const METRICS = 1024;

/** The wanted state of the device, in the same words as the present one. */
type Wanted = Pick<MeshState, 'routes' | 'neighbours' | 'forwarding'> & {
  readonly address: MeshAddress;
};

/**
 * Plans the way from what the kernel has to what is wanted; nothing, where it is so already. What
 * goes comes before what is new: a subnet may move from one concentrator to another.
 */
export function planMesh(
  host: PlanningHost,
  spec: MeshSpec,
  present: MeshState | undefined,
): MeshUpdate {
  const wanted = wantedOf(spec);
  if (present !== undefined && canBecome(host, present.link, spec)) {
    const link = changedLink(host, spec, present);
    return updateOf(planChanges(present, link, wanted), link, wanted, false);
  }
  const { step: made, link } = planDevice(host, spec);
  const steps = planReplacement(host, { present, made, link, wanted });
  return updateOf(steps, link, wanted, true);
}

function updateOf(
  steps: readonly Step[],
  link: KnownMesh,
  wanted: Wanted,
  madeLink: boolean,
): MeshUpdate {
  const { address, routes, neighbours, forwarding } = wanted;
  return {
    plan: makePlan(OPERATION, steps),
    state: { link, addresses: [address], routes, neighbours, forwarding },
    madeLink,
  };
}

interface Replacement {
  readonly present: MeshState | undefined;
  readonly made: LinkCreate;
  readonly link: KnownMesh;
  readonly wanted: Wanted;
}

/**
 * A new device, and the end of the one before, whose name it takes only when that is set aside: the
 * other way round it could not be undone.
 */
function planReplacement(host: PlanningHost, replacement: Replacement): Step[] {
  const { present, made, link, wanted } = replacement;
  const filling = [
    addressStep('address.add', link.ifIndex, wanted.address),
    ...additions(link, wanted, undefined),
  ];
  if (present === undefined) return [made, ...filling];
  const aside = setAside(present.link, host);
  const { alias = '', ...nameless } = made;
  const ifname = host.chooser.ifname(LINK_PREFIX.tunnel);
  const rename: LinkSet = {
    op: 'link.set',
    ifindex: made.ifindex,
    ifname: made.ifname,
    alias,
    up: true,
    before: { ifname, alias: '', up: false },
  };
  return [
    ...takeDown(present),
    { ...nameless, ifname, up: false },
    aside,
    rename,
    ...filling,
    deletionOf(aside),
  ];
}

function wantedOf({ kind, prefixLength, neighborhood: { self, others } }: MeshSpec): Wanted {
  const isVxlan = kind === 'vxlan';
  return {
    address: { address: self.tunnelIp, prefixLength },
    routes: others.flatMap(({ tunnelIp, subnet }) => [
      { destination: `${tunnelIp}/32` },
      {
        destination: subnet,
        via: tunnelIp,
        ...(others.length > MANY_ROUTES && { metric: 1 + (addressToNumber(tunnelIp) % METRICS) }),
      },
    ]),
    neighbours: new Map(
      others.map(({ tunnelIp, physicalIp }) => [
        tunnelIp,
        isVxlan ? macOfAddress(tunnelIp) : physicalIp,
      ]),
    ),
    forwarding: new Map(
      isVxlan ? others.map(({ tunnelIp, physicalIp }) => [macOfAddress(tunnelIp), physicalIp]) : [],
    ),
  };
}

/** The kernel changes all of a GRE in place; a VXLAN keeps its identifier and its port. */
function canBecome(host: PlanningHost, link: KnownMesh, spec: MeshSpec): boolean {
  if (link.kind !== spec.kind || link.linkName !== MESH_NAME) return false;
  if (spec.kind === 'gre') return true;
  return link.key === spec.neighborhood.self.tunnelId && link.port === host.options.vxlanPort;
}

function planDevice(
  host: PlanningHost,
  { kind, neighborhood: { self } }: MeshSpec,
): { readonly step: LinkCreate; readonly link: KnownMesh } {
  const local = host.computeLink.address;
  const mtu = meshMtuFor(kind, host.computeLink.mtu);
  const port = kind === 'vxlan' ? host.options.vxlanPort : undefined;
  const base = {
    op: 'link.create',
    ifname: MESH_NAME,
    ifindex: host.chooser.ifindex(),
    mtu,
    alias: MESH_NAME,
    up: true,
    ipv6LinkLocal: false,
  } as const;
  const mac = kind === 'vxlan' ? macOfAddress(self.tunnelIp) : '';
  const step: LinkCreate =
    port === undefined
      ? { ...base, kind: 'gre', data: greData(local, self.tunnelId) }
      : {
          ...base,
          kind: 'vxlan',
          address: mac,
          // Whoever is not in the table is not of this tenant.
          data: { vni: self.tunnelId, local, port, learning: false },
        };
  const link: KnownMesh = {
    ifIndex: step.ifindex,
    linkName: MESH_NAME,
    alias: MESH_NAME,
    mtu,
    mac,
    kind,
    key: self.tunnelId,
    local,
    remote: undefined,
    port,
    isUp: true,
  };
  return { step, link };
}

function greData(local: string, key: number) {
  return { local, remote: '0.0.0.0', key, pmtudisc: true } as const;
}

function changedLink(host: PlanningHost, spec: MeshSpec, { link }: MeshState): KnownMesh {
  const { self } = spec.neighborhood;
  return {
    ...link,
    key: self.tunnelId,
    local: host.computeLink.address,
    mtu: meshMtuFor(spec.kind, host.computeLink.mtu),
    mac: spec.kind === 'vxlan' ? macOfAddress(self.tunnelIp) : link.mac,
    isUp: true,
  };
}

function planChanges(present: MeshState, link: KnownMesh, wanted: Wanted): Step[] {
  const { link: before, addresses } = present;
  const [address, ...more] = addresses;
  const isSameAddress =
    address?.address === wanted.address.address &&
    address.prefixLength === wanted.address.prefixLength &&
    more.length === 0;
  const first = [...changeEnds(before, link), ...changeAttributes(before, link)];
  const isSameMac = before.mac === link.mac;
  if (isSameAddress && isSameMac) {
    return [...first, ...removals(present, wanted), ...additions(link, wanted, present)];
  }
  // With its last address the device loses its routes and neighbours, with its MAC the neighbours.
  const bare = { ...present, routes: [], neighbours: new Map<string, string>() };
  return [
    ...first,
    ...takeDown({ ...present, forwarding: new Map() }),
    ...(isSameMac ? [] : [setOf(link.ifIndex, 'address', before.mac, link.mac)]),
    addressStep('address.add', link.ifIndex, wanted.address),
    ...removals(bare, wanted),
    ...additions(link, wanted, bare),
  ];
}

function changeEnds(before: KnownMesh, after: KnownMesh): Step[] {
  if (before.local === after.local && before.key === after.key) return [];
  const { ifIndex: ifindex, local = '', key = 0 } = after;
  if (after.kind === 'vxlan') {
    const former = before.local === undefined ? {} : { before: { data: { local: before.local } } };
    return [{ op: 'tunnel.set', ifindex, kind: 'vxlan', data: { local }, ...former }];
  }
  const former = greData(before.local ?? '0.0.0.0', before.key ?? 0);
  const data = greData(local, key);
  return [{ op: 'tunnel.set', ifindex, kind: 'gre', data, before: { data: former } }];
}

function changeAttributes(before: KnownMesh, after: KnownMesh): Step[] {
  const steps: Step[] = [];
  if (before.mtu !== after.mtu) {
    steps.push(setOf(after.ifIndex, 'mtu', before.mtu, after.mtu));
  }
  if (!before.isUp) steps.push(setOf(after.ifIndex, 'up', false, true));
  return steps;
}

function setOf<K extends 'address' | 'mtu' | 'up'>(
  ifindex: number,
  name: K,
  before: LinkSet[K],
  after: LinkSet[K],
): LinkSet {
  return { op: 'link.set', ifindex, [name]: after, before: { [name]: before } };
}

/** Everything on the device, so that each piece can be put back. */
function takeDown(present: MeshState): Step[] {
  const nothing: Wanted = {
    address: { address: '', prefixLength: 0 },
    routes: [],
    neighbours: new Map(),
    forwarding: new Map(),
  };
  const { ifIndex } = present.link;
  return [
    ...removals(present, nothing),
    ...present.addresses.map((address) => addressStep('address.delete', ifIndex, address)),
  ];
}

/** Frees the name for the device that comes instead; without an alias it is a remnant if we die here. */
function setAside(link: KnownMesh, host: PlanningHost): LinkSet {
  return {
    op: 'link.set',
    ifindex: link.ifIndex,
    ifname: host.chooser.ifname(LINK_PREFIX.tunnel),
    alias: '',
    // Before Linux 6.2 a link that is up keeps its name.
    up: false,
    before: { ifname: link.linkName, alias: link.alias, up: link.isUp },
  };
}

function deletionOf({ ifindex, ifname = '' }: LinkSet): LinkDelete {
  return { op: 'link.delete', links: [{ ifindex, ifname, alias: '' }] };
}

// What somebody else took away meanwhile is gone as it should be.
function removals(present: MeshState, wanted: Wanted): Step[] {
  const { ifIndex: ifindex } = present.link;
  const routes = new Set(wanted.routes.map(routeKey));
  const gone = present.routes.filter((route) => !routes.has(routeKey(route)));
  return [
    // Those that lead over another route go first.
    ...[...gone.filter(hasVia), ...gone.filter((route) => !hasVia(route))].map((route): Step => ({
      op: 'route.delete',
      ifindex,
      ...route,
      tolerate: ['ESRCH'],
    })),
    ...differences(present.neighbours, wanted.neighbours).map(([address, lladdr]): Step => ({
      op: 'neighbour.delete',
      ifindex,
      address,
      lladdr,
      tolerate: ['ENOENT'],
    })),
    ...differences(present.forwarding, wanted.forwarding).map(([mac, dst]): Step => ({
      op: 'fdb.delete',
      ifindex,
      mac,
      dst,
      tolerate: ['ENOENT'],
    })),
  ];
}

function additions(link: KnownMesh, wanted: Wanted, present: MeshState | undefined): Step[] {
  const { ifIndex: ifindex } = link;
  const routes = new Set(present?.routes.map(routeKey));
  return [
    ...differences(wanted.forwarding, present?.forwarding).map(([mac, dst]): Step => ({
      op: 'fdb.add',
      ifindex,
      mac,
      dst,
    })),
    ...differences(wanted.neighbours, present?.neighbours).map(([address, lladdr]): Step => ({
      op: 'neighbour.add',
      ifindex,
      address,
      lladdr,
    })),
    ...wanted.routes
      .filter((route) => !routes.has(routeKey(route)))
      .map((route): Step => ({ op: 'route.add', ifindex, ...route })),
  ];
}

/** What the first map has and the second has not, or has otherwise. */
function differences(
  some: ReadonlyMap<string, string>,
  others: ReadonlyMap<string, string> | undefined,
): [string, string][] {
  return [...some].filter(([key, value]) => others?.get(key) !== value);
}

function routeKey({ destination, via = '' }: MeshRoute): string {
  return `${destination} ${via}`;
}

function hasVia(route: MeshRoute): boolean {
  return route.via !== undefined;
}

function addressStep(
  op: 'address.add' | 'address.delete',
  ifindex: number,
  { address, prefixLength }: MeshAddress,
): Step {
  return {
    op,
    ifindex,
    address,
    prefixLength,
    ...(op === 'address.delete' && { tolerate: ['EADDRNOTAVAIL'] }),
  };
}
