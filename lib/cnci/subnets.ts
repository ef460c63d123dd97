import { ANCHOR_VNI, planDeletion } from '../device';
import { APIError, FatalError, isLibsnnetError } from '../errors';
import type { Call, Host } from '../host';
import {
  checkKeyFits,
  containsAddress,
  gatewayOf,
  networkAddress,
  parseRemoteSubnet,
  tryParseIpv4Cidr,
} from '../model';
import type { Ipv4Cidr, RemoteSubnetConfig, TunnelKind } from '../model';
import { makePlan } from '../plan';
import type { Plan } from '../plan';
import type { KnownLink, KnownTunnel } from '../topology';
import { inTheNameOf } from './dhcp';
import type { SubnetDhcp } from './dhcp';
import { planAddition, planRegain, planRemoval } from './plan-subnet';
import type { SubnetAddition } from './plan-subnet';
import type { RemoteSubnet, RemovedSubnet } from './results';
import { CnciSubnet } from './table';
import type { CnciTable, LostTunnel } from './table';

const ADD = 'addRemoteSubnet';

/** Adds and removes the tunnels of a concentrator's subnets. Calls for one subnet follow each other. */
export class RemoteSubnets {
  readonly #host: Host;
  readonly #table: CnciTable;
  readonly #dhcp: SubnetDhcp | undefined;

  /** @param dhcp - Left out: nobody serves the subnets. */
  constructor(host: Host, table: CnciTable, dhcp: SubnetDhcp | undefined) {
    this.#host = host;
    this.#table = table;
    this.#dhcp = dhcp;
  }

  /** What `add` would do now. */
  planAddition(config: RemoteSubnetConfig): Plan {
    const kind = config.mode ?? this.#host.mode;
    checkKeyFits(kind, config.subnetKey, 'plan');
    const entry = this.#table.get(config.subnet) ?? new CnciSubnet(config.subnet);
    const known = entry.tunnelTo(config.cnIp);
    if (known !== undefined && entry.bridge !== undefined) {
      checkAgrees(known, kind, config);
      return makePlan(ADD, []);
    }
    this.#checkIsFree(kind, config, entry);
    return planAddition(this.#host, kind, config, entry).plan;
  }

  /** What `remove` would do now. */
  planRemoval(config: RemoteSubnetConfig): Plan {
    const entry = this.#table.get(config.subnet) ?? new CnciSubnet(config.subnet);
    return planRemoval(this.#host, entry, config.cnIp);
  }

  async add(config: RemoteSubnetConfig, call: Call): Promise<RemoteSubnet> {
    const kind = config.mode ?? this.#host.mode;
    checkKeyFits(kind, config.subnetKey, ADD);
    return await this.#inTurn(config, call, async (entry) => {
      const known = entry.tunnelTo(config.cnIp);
      if (known !== undefined && entry.bridge !== undefined) {
        checkAgrees(known, kind, config);
        await this.#serve(entry, call);
        return present(config, entry.bridge.linkName, known, { bridge: false, tunnel: false });
      }
      this.#checkIsFree(kind, config, entry);
      await this.regain(entry);
      const addition = planAddition(this.#host, kind, config, entry);
      await this.#make(entry, config, addition);
      try {
        call.check();
        await this.#serve(entry, call);
      } catch (error) {
        await this.#takeBack(entry, config, addition, error);
        throw error;
      }
      const made = { bridge: addition.madeBridge, tunnel: true };
      return present(config, addition.bridge.linkName, addition.tunnel, made);
    });
  }

  async remove(config: RemoteSubnetConfig, call: Call): Promise<RemovedSubnet> {
    this.#table.forgetLost(config.subnet, config.cnIp);
    if (this.#table.get(config.subnet) === undefined) return Object.freeze({ removed: false });
    return await this.#inTurn(config, call, async (entry) => {
      const known = entry.tunnelTo(config.cnIp);
      if (known === undefined) return Object.freeze({ removed: false });
      await this.#remove(entry, config, known);
      return Object.freeze({ removed: true });
    });
  }

  /** Makes the bridge that somebody took from its tunnels. */
  async regain(entry: CnciSubnet): Promise<void> {
    if (entry.bridge !== undefined || entry.allTunnels.length === 0) return;
    const { plan, bridge } = planRegain(this.#host, entry);
    await this.#expecting([bridge], plan);
    this.#table.setBridge(entry, bridge);
  }

  /** Makes a tunnel that somebody deleted. */
  async restore({ subnet, cnIp, kind, key }: LostTunnel, call: Call): Promise<void> {
    const config = parseRemoteSubnet({ subnet, cnIp, subnetKey: key, mode: kind }, 'repair');
    await this.add(config, call);
  }

  async #make(
    entry: CnciSubnet,
    { cnIp }: RemoteSubnetConfig,
    { plan, bridge, tunnel, madeBridge, madeTunnel }: SubnetAddition,
  ): Promise<void> {
    await this.#expecting([madeBridge && bridge, madeTunnel && tunnel], plan);
    if (madeBridge) this.#table.setBridge(entry, bridge);
    this.#table.setTunnel(entry, cnIp, tunnel);
  }

  async #remove(
    entry: CnciSubnet,
    { cnIp }: RemoteSubnetConfig,
    tunnel: KnownTunnel,
  ): Promise<void> {
    const isShared = tunnel.kind === 'vxlan' && entry.remotes.size > 1;
    try {
      const plan = planRemoval(this.#host, entry, cnIp);
      await this.#expecting([!isShared && tunnel], plan);
    } catch (error) {
      // It may be there still.
      this.#table.setTunnel(entry, cnIp, tunnel);
      throw error;
    }
    if (!isShared) this.#table.links.release([tunnel]);
    this.#table.removeTunnel(entry, cnIp);
  }

  /** Runs a plan that makes or deletes these links: what happens to them meanwhile is our own doing. */
  async #expecting(links: readonly (KnownLink | false)[], plan: Plan): Promise<void> {
    const own = links.filter((link) => link !== false);
    this.#table.links.expect(own);
    try {
      await this.#host.kernel.run(plan);
    } catch (error) {
      this.#table.links.release(own);
      throw error;
    }
  }

  async #serve(entry: CnciSubnet, call: Call): Promise<void> {
    if (this.#dhcp !== undefined) await call.until(inTheNameOf(ADD, this.#dhcp.ensure(entry)));
  }

  /** A subnet whose workloads get no addresses is none: what was made for it goes again. */
  async #takeBack(
    entry: CnciSubnet,
    config: RemoteSubnetConfig,
    addition: SubnetAddition,
    cause: unknown,
  ): Promise<void> {
    const { bridge } = addition;
    try {
      if (addition.madeBridge) await this.#dhcp?.stop(entry.subnet);
      await this.#remove(entry, config, addition.tunnel);
      if (!addition.madeBridge) return;
      const plan = makePlan(ADD, [planDeletion(this.#host.chooser, [bridge], [])]);
      await this.#expecting([bridge], plan);
      this.#table.links.release([bridge]);
      this.#table.setBridge(entry, undefined);
    } catch (error) {
      if (!isLibsnnetError(error)) throw error;
      throw new FatalError('SNNET_ROLLBACK_FAILED', {
        operation: ADD,
        detail: error.message,
        cause,
        repair: [`ip link delete ${bridge.linkName}`],
      });
    }
  }

  async #inTurn<T>(
    config: RemoteSubnetConfig,
    call: Call,
    body: (entry: CnciSubnet) => Promise<T>,
  ): Promise<T> {
    const entry = this.#table.obtain(config.subnet);
    entry.callers += 1;
    const work = async (): Promise<T> => {
      // Who gave up while waiting changes nothing.
      call.check();
      const leave = await this.#host.enter();
      try {
        call.check();
        return await body(entry);
      } finally {
        leave();
      }
    };
    const turn = entry.queue.then(work).finally(() => {
      // Those who wait for their turn mean this very entry.
      entry.callers -= 1;
      this.#table.drop(entry);
    });
    entry.queue = this.#host.track(turn).catch(() => undefined);
    return await call.until(turn);
  }

  /** Refuses a key that the kernel, or this subnet's tunnel, has for something else. */
  #checkIsFree(kind: TunnelKind, config: RemoteSubnetConfig, entry: CnciSubnet): void {
    this.#checkMesh(kind, config);
    if (kind !== 'vxlan') return;
    if (entry.vxlan !== undefined) checkAgrees(entry.vxlan, kind, config);
    const isOwn = Number(config.subnetKey) === ANCHOR_VNI;
    const other = [...this.#table.all()].find(
      (subnet) => subnet !== entry && subnet.vxlan?.key === config.subnetKey,
    );
    if (!isOwn && other === undefined) return;
    throw new APIError('SNNET_VNI_TAKEN', {
      operation: ADD,
      field: 'subnetKey',
      value: config.subnetKey,
      detail: isOwn
        ? 'this VNI is the library’s own; choose another'
        : `subnet ${String(other?.subnet)} uses it`,
    });
  }

  /** Refuses what the mesh among the tenant's concentrators has already. */
  #checkMesh(kind: TunnelKind, { subnet, subnetKey }: RemoteSubnetConfig): void {
    const { mesh } = this.#table;
    if (mesh === undefined) return;
    if (kind === 'vxlan' && mesh.link.kind === 'vxlan' && mesh.link.key === subnetKey) {
      throw new APIError('SNNET_VNI_TAKEN', {
        operation: ADD,
        field: 'subnetKey',
        value: subnetKey,
        detail: `the mesh ${mesh.link.linkName} uses it`,
      });
    }
    const route = mesh.routes.find(({ destination }) => overlaps(destination, subnet));
    if (route === undefined) return;
    throw new APIError('SNNET_INPUT_INVALID', {
      operation: ADD,
      field: 'subnet',
      value: subnet,
      expected: 'a subnet that no other concentrator of the tenant has',
      detail: `the mesh leads to ${route.destination}`,
    });
  }
}

function overlaps(network: string, subnet: Ipv4Cidr): boolean {
  const other = tryParseIpv4Cidr(network);
  if (other === undefined) return false;
  return (
    containsAddress(other, networkAddress(subnet)) || containsAddress(subnet, networkAddress(other))
  );
}

function checkAgrees(known: KnownTunnel, kind: TunnelKind, config: RemoteSubnetConfig): void {
  const pairs: [string, string | number | undefined, string | number][] = [
    ['mode', known.kind, kind],
    ['subnetKey', known.key, config.subnetKey],
  ];
  for (const [field, is, asked] of pairs) {
    if (is === undefined || is === asked) continue;
    throw new APIError('SNNET_TUNNEL_TAKEN', {
      operation: ADD,
      field,
      value: asked,
      object: { subnet: config.subnet, cnIp: config.cnIp },
      detail: `the tunnel ${known.linkName} has ${field} ${String(is)}, the configuration says ${String(asked)}`,
    });
  }
}

function present(
  config: RemoteSubnetConfig,
  bridge: string,
  tunnel: KnownTunnel,
  created: RemoteSubnet['created'],
): RemoteSubnet {
  return Object.freeze({
    bridge,
    gateway: gatewayOf(config.subnet),
    mtu: tunnel.mtu,
    tunnel: tunnel.linkName,
    created: Object.freeze(created),
  });
}
