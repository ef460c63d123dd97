import { describeCommand, describeFlows } from './describe-nft';
import type { Plan } from './plan';
import type {
  GreData,
  LinkAttributes,
  LinkCreate,
  LinkDelete,
  LinkSet,
  Step,
  TapCreate,
  TunnelSet,
} from './step';

/** A name for an interface index, where one is known. */
export type NameOf = (ifindex: number) => string | undefined;

/**
 * A plan as the commands of `ip`, `bridge` and `sysctl` that would do the same, one for each line.
 * Links that the plan creates go by their names, others by `nameOf`, else as `#<ifindex>`.
 */
export function describePlan(plan: Plan, nameOf: NameOf = () => undefined): string {
  const known = new Map<number, string>();
  for (const { step } of plan.steps) noteNames(step, known);
  const name: NameOf = (ifindex) => known.get(ifindex) ?? nameOf(ifindex);
  return plan.steps.map(({ step }) => describeStep(step, name)).join('\n');
}

/** What a call would do to the kernel, without doing it. */
export interface DryRun {
  readonly plan: Plan;
  /** The same as commands of `ip` and `bridge`, one for each line. */
  readonly text: string;
}

/** A plan that is only to be looked at, with its description. */
export function dryRunOf(plan: Plan, nameOf?: NameOf): DryRun {
  return Object.freeze({ plan, text: describePlan(plan, nameOf) });
}

/** One step in the same words. */
export function describeStep(step: Step, nameOf: NameOf = () => undefined): string {
  const words = describeHere(step, nameOf);
  const { netns } = step;
  return netns === undefined ? words : words.replaceAll(/^/gm, inside(netns));
}

function inside(netns: string): string {
  return `nsenter --net=${netns.includes('/') ? netns : `/run/netns/${netns}`} `;
}

function describeHere(step: Step, nameOf: NameOf): string {
  const device = (ifindex: number): string => nameOf(ifindex) ?? `#${String(ifindex)}`;
  switch (step.op) {
    case 'link.create':
      return describeCreate(step, device);
    case 'tap.create':
      return describeTap(step, device);
    case 'link.set':
      return describeSet(step, device);
    case 'tunnel.set':
      return describeTunnelSet(step, device);
    case 'link.delete':
      return describeDelete(step);
    case 'address.add':
    case 'address.delete':
      return `ip address ${verb(step.op)} ${step.address}/${String(step.prefixLength)} dev ${device(step.ifindex)}`;
    case 'route.add':
    case 'route.delete': {
      const via = step.via === undefined ? '' : ` via ${step.via}`;
      const metric =
        step.metric === undefined || step.op === 'route.delete'
          ? ''
          : ` metric ${String(step.metric)}`;
      return `ip route ${verb(step.op)} ${step.destination}${via} dev ${device(step.ifindex)}${metric}`;
    }
    case 'neighbour.add':
    case 'neighbour.delete':
      return `ip neighbour ${verb(step.op)} ${step.address} lladdr ${step.lladdr} dev ${device(step.ifindex)} nud permanent`;
    case 'fdb.add':
    case 'fdb.delete': {
      const entry = `${step.mac} dev ${device(step.ifindex)}`;
      if (step.dst === undefined)
        return `bridge fdb ${verb(step.op)} ${entry} master static sticky`;
      const action = step.op === 'fdb.add' ? 'append' : 'delete';
      return `bridge fdb ${action} ${entry} dst ${step.dst} self permanent`;
    }
    case 'sysctl.set':
      return `sysctl -w ${step.name.replaceAll('/', '.')}=${step.value}`;
    case 'nft':
      return step.commands.map(describeCommand).join('\n');
    case 'conntrack.delete':
      return describeFlows(step.flows);
  }
}

type Device = (ifindex: number) => string;

function verb(op: string): string {
  return op.slice(op.indexOf('.') + 1);
}

function noteNames(step: Step, known: Map<number, string>): void {
  if (step.op === 'link.create' || step.op === 'tap.create') {
    known.set(step.ifindex, step.ifname);
    if (step.op === 'link.create' && step.kind === 'veth') {
      known.set(step.peer.ifindex, step.peer.ifname);
    }
  }
  if (step.op === 'link.delete') {
    for (const link of step.links) known.set(link.ifindex, link.ifname);
  }
}

function words(attributes: LinkAttributes, device: Device): string {
  const parts: string[] = [];
  if (attributes.address !== undefined) parts.push(`address ${attributes.address}`);
  if (attributes.mtu !== undefined) parts.push(`mtu ${String(attributes.mtu)}`);
  if (attributes.txqlen !== undefined) parts.push(`txqueuelen ${String(attributes.txqlen)}`);
  if (attributes.master !== undefined) {
    parts.push(attributes.master === 0 ? 'nomaster' : `master ${device(attributes.master)}`);
  }
  if (attributes.alias !== undefined) parts.push(`alias "${attributes.alias}"`);
  if (attributes.up !== undefined) parts.push(attributes.up ? 'up' : 'down');
  if (attributes.hairpin !== undefined)
    parts.push(attributes.hairpin ? 'hairpin on' : 'hairpin off');
  return parts.join(' ');
}

function join(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function describeCreate(step: LinkCreate, device: Device): string {
  const lower = step.kind === 'macvtap' ? `link ${device(step.link)}` : '';
  const addrgen = step.ipv6LinkLocal === false ? 'addrgenmode none' : '';
  const created = join(
    `ip link add ${step.ifname} index ${String(step.ifindex)}`,
    lower,
    words(step, device),
    addrgen,
    `type ${step.kind}`,
    kindWords(step),
  );
  return created + altNameWords(step) + settingWords(step, step.ifname);
}

const SETTINGS = {
  arpIgnore: 'arp_ignore',
  arpNotify: 'arp_notify',
  rpFilter: 'rp_filter',
} as const;

/** The same by `sysctl`, for which `ip` has no words. */
function settingWords({ ipv4 }: LinkAttributes, ifname: string): string {
  if (ipv4 === undefined) return '';
  return (['arpIgnore', 'arpNotify', 'rpFilter'] as const)
    .filter((name) => ipv4[name] !== undefined)
    .map((name) => `\nsysctl -w net.ipv4.conf.${ifname}.${SETTINGS[name]}=${String(ipv4[name])}`)
    .join('');
}

function altNameWords({ ifname, altName }: LinkCreate | TapCreate): string {
  return altName === undefined ? '' : `\nip link property add dev ${ifname} altname ${altName}`;
}

function kindWords(step: LinkCreate): string {
  switch (step.kind) {
    case 'veth': {
      const { ifname, ifindex, netns, ...attributes } = step.peer;
      return join(
        `peer name ${ifname} index ${String(ifindex)}`,
        words(attributes, String),
        netns === undefined ? '' : `netns ${netns}`,
      );
    }
    case 'macvtap':
      return `mode ${step.data.mode}`;
    case 'vxlan': {
      const { vni, local, remote, port, learning } = step.data;
      return join(
        `id ${String(vni)}`,
        local === undefined ? '' : `local ${local}`,
        remote === undefined ? '' : `remote ${remote}`,
        `dstport ${String(port)}`,
        learning === false ? 'nolearning' : '',
      );
    }
    case 'gretap':
    case 'gre':
      return greWords(step.data);
    case 'geneve':
      return `id ${String(step.data.vni)} remote ${step.data.remote} dstport ${String(step.data.port)}`;
    case 'bridge':
    case 'dummy':
      return '';
  }
}

function describeTap(step: TapCreate, device: Device): string {
  const multi = step.queues > 1 ? ` multi_queue # ${String(step.queues)} queues` : '';
  const addrgen = step.ipv6LinkLocal === false ? 'addrgenmode none' : '';
  const set = join(`ip link set ${step.ifname}`, words(step, device), addrgen);
  return `ip tuntap add ${step.ifname} mode tap${multi}\n${set}${altNameWords(step)}${settingWords(step, step.ifname)}`;
}

function describeSet(step: LinkSet, device: Device): string {
  const rename = step.ifname === undefined ? '' : `name ${step.ifname}`;
  const set = join(`ip link set ${device(step.ifindex)}`, rename, words(step, device));
  return set + settingWords(step, step.ifname ?? device(step.ifindex));
}

function greWords({ local, remote, key, pmtudisc }: GreData): string {
  const pmtu = pmtudisc ? 'pmtudisc' : 'nopmtudisc';
  return `local ${local} remote ${remote} key ${String(key)} ${pmtu}`;
}

function describeTunnelSet(step: TunnelSet, device: Device): string {
  const set = `ip link set ${device(step.ifindex)}`;
  const alias = step.alias === undefined ? '' : `alias "${step.alias}"`;
  return join(set, alias, `type ${step.kind}`, changeWords(step));
}

function changeWords(step: TunnelSet): string {
  switch (step.kind) {
    case 'gretap':
    case 'gre':
      return greWords(step.data);
    case 'geneve':
      return `remote ${step.data.remote}`;
    case 'vxlan': {
      const { local, remote } = step.data;
      return join(
        local === undefined ? '' : `local ${local}`,
        remote === undefined ? '' : `remote ${remote}`,
      );
    }
  }
}

function describeDelete(step: LinkDelete): string {
  const retired = (step.retire ?? []).map(
    (bridge) =>
      `ip link delete ${bridge.ifname} # behind the caller's back, as ${bridge.trashName}`,
  );
  const deleted = step.links.map((link) => `ip link delete ${link.ifname}`);
  return [...deleted, ...retired].join('\n');
}
