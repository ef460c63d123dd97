import { setTimeout as pause } from 'node:timers/promises';

import { planDeletion } from '../device';
import { describeType, isLibsnnetError } from '../errors';
import type { LibsnnetError } from '../errors';
import type { Host } from '../host';
import { checkKeyFits, defineShape, parseTunnelKey, refuse, withDefault } from '../model';
import type { TunnelKey, TunnelKind } from '../model';
import { makePlan } from '../plan';
import type { Step } from '../plan';
import { identityKey } from '../topology';
import type { ComputeNodeView, Finding, SubnetView } from '../topology';
import type { WatchEvent } from '../watch';
import type { TunnelEvent } from './events';
import { planMove } from './plan-repoint';
import { planAttachment, planVnicDestruction, refuseIpv6 } from './plan-vnic';
import type { SubnetTable } from './subnet';
import type { SubnetMender } from './subnet-mender';

/** A tunnel that a repair made or removed: the concentrator must hear of it. */
export interface RepairEvent {
  readonly kind: TunnelEvent['kind'];
  readonly code: TunnelEvent['code'];
  /** The subnet's identity: `<tenant>_<subnet>_<concentrator>_<concentrator IP>`. */
  readonly subnet: string;
  readonly cnciIp: string;
  readonly cnIp: string;
  readonly subnetKey?: number;
  readonly tunnel: TunnelKind;
}

/** What `repair` did. */
export interface RepairReport {
  readonly repaired: readonly Finding[];
  /** What it left alone, with the reason. */
  readonly left: readonly { readonly finding: Finding; readonly reason: string }[];
  readonly events: readonly RepairEvent[];
}

/** What a watcher mended by itself; deliver the events. */
export interface HealedEvent extends RepairReport {
  readonly type: 'healed';
}

/** What `ComputeNode.watch` tells. */
export type NodeEvent = WatchEvent | HealedEvent;

export interface RepairOptions {
  /** Keys of subnets whose tunnel is to be remade, by the subnet's identity: the kernel forgot them with the tunnel. */
  readonly subnetKeys?: Readonly<Record<string, number>>;
}

/** A runtime moves a container's end and brings it up at once, but not in the same moment. */
const BRING_UP_MS = 1000;

const NO_KEYS: ReadonlyMap<string, TunnelKey> = new Map();

const parseShape = defineShape('repairs', {
  subnetKeys: withDefault<ReadonlyMap<string, TunnelKey>>(parseKeys, NO_KEYS),
});

function parseKeys(value: unknown, field: string): ReadonlyMap<string, TunnelKey> {
  const keys = describeType(value) === 'object' ? entriesOf(value as object) : undefined;
  if (keys === undefined) return refuse(value, field, 'keys by subnet');
  return new Map(
    keys.map(([subnet, key]) => [identityKey(subnet), parseTunnelKey(key, `${field}.${subnet}`)]),
  );
}

/** Nothing where a getter or a proxy throws. */
function entriesOf(value: object): [string, unknown][] | undefined {
  try {
    return Object.entries(value);
  } catch {
    return undefined;
  }
}

/** Turns findings into a consistent state, one by one; what needs a decision is left. */
export class Repairer {
  readonly #host: Host;
  readonly #subnets: SubnetTable;
  readonly #mender: SubnetMender;
  readonly #keys: ReadonlyMap<string, TunnelKey>;
  readonly #events: RepairEvent[] = [];
  /** Links that this repair removed: what else was found about them has gone with them. */
  readonly #removed = new Set<number>();

  constructor(host: Host, subnets: SubnetTable, mender: SubnetMender, options: RepairOptions) {
    this.#host = host;
    this.#subnets = subnets;
    this.#mender = mender;
    this.#keys = parseShape(options, 'repair').subnetKeys;
  }

  /** @param isMeant - Those that are to be mended. Default: all. */
  async run(
    view: ComputeNodeView,
    isMeant: (finding: Finding) => boolean = () => true,
  ): Promise<RepairReport> {
    const repaired: Finding[] = [];
    const left: { finding: Finding; reason: string }[] = [];
    for (const finding of view.findings.filter(isMeant)) {
      try {
        const reason = await this.#repair(finding, view);
        if (reason === undefined) repaired.push(finding);
        else left.push({ finding, reason });
      } catch (error) {
        if (!isLibsnnetError(error)) throw error;
        left.push({ finding, reason: describeFailure(error) });
      }
    }
    return Object.freeze({ repaired, left, events: this.#events });
  }

  /** The reason why it was left, if it was. */
  async #repair(finding: Finding, view: ComputeNodeView): Promise<string | undefined> {
    if (this.#removed.has(finding.link?.ifIndex ?? 0)) return undefined;
    const subnet =
      finding.subnet === undefined ? undefined : view.subnets.get(identityKey(finding.subnet));
    switch (finding.remedy) {
      case 'none':
        return 'a person must decide';
      case 'remove':
        return await this.#remove(finding, subnet);
      case 'remake':
        return await this.#remake(finding);
      case 'reattach':
        return await this.#reattach(finding, subnet);
      case 'realias':
        return await this.#realias(finding);
      case 'close':
        return await this.#close(finding);
    }
  }

  async #remove(finding: Finding, subnet: SubnetView | undefined): Promise<string | undefined> {
    if (subnet === undefined) return 'its subnet is unknown';
    if (finding.type === 'unfinished') return await this.#removeUnfinished(finding, subnet);
    const isOrphan = finding.type === 'orphan';
    const lonely = [...subnet.vnics.values(), subnet.tunnel].filter(
      (link) => link !== undefined && link.ifIndex === finding.link?.ifIndex,
    );
    const links = isOrphan ? [subnet.tunnel] : lonely;
    const bridges = isOrphan && subnet.bridge !== undefined ? [subnet.bridge] : [];
    const present = links.filter((link) => link !== undefined);
    // Until the rebuild that follows what happens to them is our own doing.
    this.#subnets.links.expect([...present, ...bridges]);
    await this.#run([planDeletion(this.#host.chooser, present, bridges)]);
    for (const { ifIndex } of [...present, ...bridges]) this.#removed.add(ifIndex);
    if (subnet.tunnel !== undefined && present.includes(subnet.tunnel)) {
      this.#report('tunnel-del', subnet, subnet.tunnel.key);
    }
    return undefined;
  }

  /** Whoever is just bringing it up gets the time to do so. */
  async #removeUnfinished({ link }: Finding, subnet: SubnetView): Promise<string | undefined> {
    await pause(BRING_UP_MS);
    const rows = await this.#host.links();
    const vnic = [...subnet.vnics.values()].find(({ ifIndex }) => ifIndex === link?.ifIndex);
    const isStillSo = rows.some((row) => row.ifindex === vnic?.ifIndex && row.waitsForPeer);
    if (vnic === undefined || !isStillSo) return undefined;
    const isLast = subnet.vnics.size === 1;
    await this.#run(
      planVnicDestruction(this.#host, [vnic], isLast ? subnet : undefined).steps.map(
        ({ step }) => step,
      ),
    );
    if (isLast) this.#report('tunnel-del', subnet, subnet.tunnel?.key);
    return undefined;
  }

  async #remake(finding: Finding): Promise<string | undefined> {
    const subnet = this.#subnets.get(finding.subnet ?? '');
    if (subnet === undefined) return 'its subnet is unknown';
    // What an earlier finding of the same subnet led to.
    if (subnet.isComplete) return undefined;
    const subnetKey = this.#keys.get(identityKey(subnet.scope.text)) ?? subnet.key;
    if (subnetKey === undefined) {
      return 'its key is unknown: give it in subnetKeys, or call createVnic with the configuration of one of its VNICs';
    }
    const { concIp } = subnet.scope;
    const key = parseTunnelKey(subnetKey, 'subnetKey');
    checkKeyFits(this.#host.mode, key, 'repair');
    const { madeTunnel } = await this.#mender.complete(subnet, { concIp, subnetKey: key });
    if (!madeTunnel) return undefined;
    subnet.isAnnounced = true;
    this.#report('tunnel-add', subnet, key);
    return undefined;
  }

  async #reattach(finding: Finding, subnet: SubnetView | undefined): Promise<string | undefined> {
    const ifindex = finding.link?.ifIndex;
    if (ifindex === undefined || subnet?.bridge === undefined) return 'its bridge is not there';
    const bridge = subnet.bridge.ifIndex;
    if (ifindex === bridge) await this.#run([{ op: 'link.set', ifindex, up: true }]);
    else await this.#run(planAttachment(this.#host, this.#portOf(ifindex, subnet), bridge));
    return undefined;
  }

  async #close({ link }: Finding): Promise<string | undefined> {
    if (link === undefined) return 'its bridge is not there';
    const { op, name, value } = refuseIpv6(link.linkName);
    await this.#run([{ op, name, value }]);
    return undefined;
  }

  /** A link with the MAC that the bridge is to know behind it, if it is a VNIC's. */
  #portOf(
    ifIndex: number,
    { scope }: SubnetView,
  ): { readonly ifIndex: number; readonly mac: string | undefined } {
    const vnics = [...(this.#subnets.get(scope.text)?.vnics.values() ?? [])];
    const vnic = vnics.find(({ known }) => known?.ifIndex === ifIndex);
    return { ifIndex, mac: vnic?.config?.vnicMac ?? vnic?.known?.peerMac };
  }

  /** Ends what `repointConcentrator` began; the concentrators may not have heard of it. */
  async #realias(finding: Finding): Promise<string | undefined> {
    const subnet = this.#subnets.get(finding.subnet ?? '');
    if (subnet === undefined) return 'its subnet is unknown';
    const move = planMove(this.#host, subnet, subnet.scope.concIp);
    // What an earlier finding of the same subnet led to.
    if (move.steps.length === 0) return undefined;
    const { scope, tunnel, key } = subnet;
    await this.#run(move.steps);
    this.#subnets.move(move);
    this.#report('tunnel-add', { scope, tunnel }, key);
    return undefined;
  }

  async #run(steps: readonly Step[]): Promise<void> {
    await this.#host.kernel.run(makePlan('repair', steps));
  }

  #report(
    kind: TunnelEvent['kind'],
    subnet: Pick<SubnetView, 'scope' | 'tunnel'>,
    key: number | undefined,
  ): void {
    this.#events.push({
      kind,
      code: kind === 'tunnel-add' ? 2 : 4,
      subnet: subnet.scope.text,
      cnciIp: subnet.scope.concIp,
      cnIp: subnet.tunnel?.local ?? this.#host.computeLink.address,
      ...(key !== undefined && { subnetKey: key }),
      tunnel: subnet.tunnel?.kind ?? this.#host.mode,
    });
  }
}

function describeFailure(error: LibsnnetError): string {
  return error.message;
}
