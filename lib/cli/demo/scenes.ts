import { drawTree } from '../../draw';
import type { TunnelEvent } from '../../compute-node';
import { tunnelOverhead } from '../../model';
import type { TunnelKind, TunnelMode } from '../../model';
import * as cast from './cast';
import type { Workload } from './cast';
import { NetworkClient } from './network-client';
import { Outside } from './outside';
import { STATE_DIR } from './privacy';
import { endPrograms } from './programs';
import type { Found } from './protocol';
import type { Report } from './report';
import { listServers, listStateFiles, lookUp } from './services';
import type { Lease } from './services';
import { answers, isWhole } from './wording';
import { buildStage, clearStage, countEchoes, listLinks, ping, plugIn } from './stage';

const NAMES: Readonly<Record<TunnelKind, string>> = {
  gre: 'GRE',
  vxlan: 'VXLAN',
  geneve: 'Geneve',
};
/** What ICMP and IPv4 take from the MTU. */
const PING_HEADERS = 28;

/** The demonstration from the first namespace to the last; the caller cleans up if it throws. */
export class Scenes {
  readonly #report: Report;
  readonly #mode: TunnelMode;
  readonly #outside: Outside;
  #client = new NetworkClient();
  #servers: readonly number[] = [];

  constructor(report: Report, mode: TunnelMode) {
    this.#report = report;
    this.#mode = mode;
    this.#outside = new Outside(report);
  }

  async play(): Promise<void> {
    try {
      await this.#playAll();
    } finally {
      await this.#outside.stop();
    }
  }

  /** Ends the process that uses the library, wherever it stands, and the play at its next word. */
  async stop(): Promise<void> {
    this.#report.stop();
    await this.#client.kill();
    endPrograms();
  }

  async #playAll(): Promise<void> {
    const mode = await this.#setUp();
    const before = await listLinks();
    await this.#planFirst();
    await this.#create();
    await this.#resolve();
    await this.#reach();
    await this.#keepApart();
    await this.#measure(mode);
    await this.#outside.play(this.#client);
    await this.#draw();
    await this.#kill();
    await this.#startAgain();
    await this.#destroy();
    await this.#proveNothingIsLeft(before);
  }

  async #setUp(): Promise<TunnelKind> {
    const report = this.#report;
    report.scene(`A stage: four hosts on one network, MTU ${String(cast.UNDERLAY.mtu)}`);
    await buildStage();
    const result = await this.#open();
    this.#outside.impediment = result.noFirewall;
    report.show(`compute nodes   ${listHosts(cast.NODES)}`);
    report.show(`concentrators   ${listHosts(cast.CNCIS)}`);
    const { cnci, address } = cast.UPLINK;
    report.show(`the internet    ${cast.INTERNET.address}, behind ${cnci.id} ${address}`);
    report.show(`tunnels         ${tunnelChoice(result.mode, this.#mode)}`);
    report.show(`both tenants    ${cast.SUBNET.cidr}, with the same addresses and MACs`);
    return result.mode;
  }

  async #planFirst(): Promise<void> {
    this.#report.scene('What the first createVnic would do (dry run)');
    const args = { node: cast.ALPHA_5.node.id, config: cast.vnicConfig(cast.ALPHA_5) };
    const { result } = await this.#client.call('planVnic', args);
    this.#report.show(foldCommands(result));
  }

  async #create(): Promise<void> {
    this.#report.scene(
      'createVnic for five containers; each new tunnel is told to its concentrator',
    );
    const leases: Lease[] = [];
    for (const workload of cast.WORKLOADS) {
      const { name, node } = workload;
      const args = { node: node.id, config: cast.vnicConfig(workload) };
      const { result, ms } = await this.#client.call('createVnic', args);
      const told = result.event === undefined ? '' : await this.#tell(result.event);
      const lease = await plugIn(workload, result.vnic.interfaceName);
      leases.push(lease);
      const took = `${ms.toFixed(1)} ms`;
      this.#report.show(
        `${node.id}  ${name.padEnd(8)} ${lease.ip}  ${result.vnic.linkName.padEnd(12)} ${took.padStart(8)}  ${told}`.trimEnd(),
      );
    }
    const isRight = cast.WORKLOADS.every(({ ip }, index) => leases[index]?.ip === ip);
    this.#report.check(
      `DHCP: each of the ${String(leases.length)} clients was given its own address, MTU ${listValues(leases.map(({ mtu }) => mtu))}, gateway ${listValues(leases.map(({ router }) => router))}`,
      isRight,
    );
  }

  async #resolve(): Promise<void> {
    const { SERVICE, SUBNET, LOOKUPS } = cast;
    this.#report.scene(`setHosts: both tenants have a ${SERVICE}; each has a DNS of its own`);
    for (const [asks, has] of LOOKUPS) {
      const hosts = [{ ip: has.ip, name: SERVICE }];
      await this.#client.call('setHosts', { cnci: has.tenant.cnci.id, hosts });
      const answer = await lookUp(asks.name, SERVICE, SUBNET.gateway);
      this.#report.check(
        `${asks.name} asks ${SUBNET.gateway} for ${SERVICE}: ${answer}, its neighbour ${has.name}`,
        answer === has.ip,
      );
    }
    this.#servers = (await this.#client.call('look', {})).result.servers;
  }

  async #reach(): Promise<void> {
    this.#report.scene('Who reaches whom: through tunnels and the concentrator in the middle');
    for (const [from, to] of [
      [cast.ALPHA_5, cast.ALPHA_6],
      [cast.BETA_5, cast.BETA_6],
    ] as const) {
      const across = await ping(from, to.ip);
      this.#report.check(
        `${from.name} on ${from.node.id} → ${to.name} on ${to.node.id}: ${answers(across)}`,
        isWhole(across),
      );
      const gateway = await ping(from, cast.SUBNET.gateway);
      this.#report.check(
        `${from.name} → gateway ${cast.SUBNET.gateway}: ${answers(gateway)}`,
        isWhole(gateway),
      );
    }
  }

  async #keepApart(): Promise<void> {
    const { ALPHA_5, ALPHA_6, BETA_6, BETA_7 } = cast;
    this.#report.scene('Who does not: the same addresses, another tenant');
    const before = await heard([ALPHA_6, BETA_6]);
    const { sent } = await ping(ALPHA_5, ALPHA_6.ip);
    const after = await heard([ALPHA_6, BETA_6]);
    const [ours = 0, twins = 0] = after.map((count, index) => count - (before[index] ?? 0));
    this.#report.check(
      `${ALPHA_5.name} → ${ALPHA_6.ip}, ${String(sent)} pings: ${ALPHA_6.name} heard ${String(ours)}, its twin ${BETA_6.name} heard ${String(twins)}`,
      ours === sent && twins === 0,
    );
    const own = await ping(cast.BETA_5, BETA_7.ip, { count: 1 });
    const other = await ping(ALPHA_5, BETA_7.ip, { count: 1 });
    this.#report.check(
      `${BETA_7.ip} exists for beta alone: ${cast.BETA_5.name} gets ${answers(own)}, ${ALPHA_5.name} gets ${answers(other)}`,
      isWhole(own) && other.received === 0,
    );
  }

  async #measure(mode: TunnelKind): Promise<void> {
    const mtu = cast.UNDERLAY.mtu - tunnelOverhead(mode);
    const payload = mtu - PING_HEADERS;
    this.#report.scene(
      `What fits: ${String(cast.UNDERLAY.mtu)} less the tunnel's headers, ${String(mtu)} bytes`,
    );
    const { ALPHA_5, ALPHA_6 } = cast;
    const fits = await ping(ALPHA_5, ALPHA_6.ip, { count: 1, unfragmented: payload });
    const more = await ping(ALPHA_5, ALPHA_6.ip, { count: 1, unfragmented: payload + 1 });
    this.#report.check(
      `unfragmented, ${String(mtu)} bytes get through: ${answers(fits)}; ${String(mtu + 1)} do not: ${answers(more)}`,
      isWhole(fits) && more.received === 0,
    );
  }

  async #draw(): Promise<void> {
    this.#report.scene('The whole topology, as the library sees it');
    const { result } = await this.#client.call('topology', {});
    this.#report.show(drawTree(result));
  }

  async #kill(): Promise<void> {
    this.#report.scene(
      `kill -9 ${String(this.#client.pid)}: the process that used the library is gone`,
    );
    await this.#client.kill();
    const still = await ping(cast.ALPHA_5, cast.ALPHA_6.ip);
    this.#report.check(`the network does not need it: ${answers(still)}`, isWhole(still));
    await this.#outside.stillWorks();
  }

  async #startAgain(): Promise<void> {
    this.#report.scene('A new process reads everything back from the kernel');
    this.#client = new NetworkClient();
    const result = await this.#open();
    for (const host of result.hosts) this.#report.show(foundLine(host));
    const ports = result.hosts.map((host) => host.ports);
    // Two VNICs on cn1, three on cn2, and two tunnels at each concentrator.
    const isComplete = ports.join(' ') === '2 3 2 2';
    const isClean = result.hosts.every(({ findings }) => findings === 0);
    this.#report.check('all of it is there, and nothing is out of order', isComplete && isClean);
    // What the new process believes, and what the system says.
    const isSame = [result.servers, listServers()].every(
      (pids) => listValues(pids) === listValues(this.#servers),
    );
    this.#report.check(
      `dnsmasq of each tenant: processes ${listValues(result.servers)}, ${isSame ? 'the same' : `not ${listValues(this.#servers)}`}`,
      isSame,
    );
    await this.#outside.takeOver(this.#client);
  }

  async #destroy(): Promise<void> {
    this.#report.scene('destroyVnic for all; tunnel and bridge go with the last VNIC of a subnet');
    for (const workload of cast.WORKLOADS) {
      const { name, node } = workload;
      const args = { node: node.id, config: cast.vnicConfig(workload) };
      const { result, ms } = await this.#client.call('destroyVnic', args);
      const told = result.event === undefined ? '' : await this.#tell(result.event);
      const took = `${ms.toFixed(1)} ms`;
      this.#report.show(`${node.id}  ${name.padEnd(8)} ${took.padStart(8)}  ${told}`.trimEnd());
    }
    await this.#outside.shutDown(this.#client);
    for (const { id } of cast.CNCIS) {
      const { result } = await this.#client.call('shutdown', { cnci: id });
      this.#report.show(`${id} shut down: removed ${result.removed.join(', ')}`);
    }
    await this.#client.call('settle', {});
    await this.#client.call('close', {});
    await this.#client.kill();
  }

  async #proveNothingIsLeft(before: readonly string[]): Promise<void> {
    this.#report.scene('Nothing is left');
    const after = await listLinks();
    const known = new Set(before);
    const extra = after.filter((link) => !known.has(link));
    const same = extra.length === 0 && after.length === before.length;
    const words = same
      ? `the same ${String(after.length)} as before the first call`
      : `left: ${extra.join(', ')}`;
    this.#report.check(`links in all ${String(cast.NAMESPACES.length)} namespaces: ${words}`, same);
    const remains = [
      ...listServers().map((pid) => `process ${String(pid)}`),
      ...listStateFiles(),
      ...(await this.#outside.remains()),
    ];
    this.#report.check(
      `dnsmasq, its files, tables of nftables: ${remains.length === 0 ? 'none' : remains.join(', ')}`,
      remains.length === 0,
    );
    const left = await clearStage();
    this.#report.check(
      `namespaces removed${left.length === 0 ? '' : `, but ${left.join(', ')}`}`,
      left.length === 0,
    );
  }

  async #open(): Promise<Found> {
    const args = { mode: this.#mode, stateDir: STATE_DIR };
    return (await this.#client.call('open', args)).result;
  }

  /** Delivers an event to the concentrator that it is for. In production this goes over the wire. */
  async #tell({ kind, cnciIp, cnIp, subnet, subnetKey, tunnel }: TunnelEvent): Promise<string> {
    const cnci = cast.CNCIS.find(({ address }) => address === cnciIp);
    if (cnci === undefined) throw new Error(`no concentrator has the address ${cnciIp}`);
    const config = { subnet, subnetKey, cnIp, mode: tunnel };
    const method = kind === 'tunnel-add' ? 'addSubnet' : 'delSubnet';
    const { ms } = await this.#client.call(method, { cnci: cnci.id, config });
    return `${kind} → ${cnci.id} ${ms.toFixed(1)} ms`;
  }
}

/** Different values only. */
function listValues(values: readonly (string | number)[]): string {
  return [...new Set(values)].sort().join(', ');
}

function listHosts(hosts: readonly cast.Host[]): string {
  return hosts.map(({ id, address }) => `${id} ${address}`).join(', ');
}

function tunnelChoice(mode: TunnelKind, asked: TunnelMode): string {
  if (asked !== 'auto' || mode === 'gre') return NAMES[mode];
  return `${NAMES[mode]}, for this kernel has no GRE tap (gretap)`;
}

/** Commands as they could be pasted, none wider than a page. */
function foldCommands(text: string): string {
  return text.replaceAll(/(.{60,84}) (?=.{12})/g, '$1 \\\n      ');
}

function foundLine({ id, subnets, ports, findings }: Found['hosts'][number]): string {
  const kind = cast.CNCIS.some((cnci) => cnci.id === id) ? 'tunnels' : 'VNICs';
  return `${id.padEnd(10)}  subnets ${String(subnets)}, ${kind} ${String(ports)}, findings ${String(findings)}`;
}

function heard(workloads: readonly Workload[]): Promise<number[]> {
  return Promise.all(workloads.map(({ name }) => countEchoes(name)));
}
