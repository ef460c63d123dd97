/**
 * `snnet agent` as a process over a real NATS server: what `createVnic` says, kept in the nodes' outboxes,
 * leads by itself to a network that works, whoever is away meanwhile.
 */
import { request } from 'node:http';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

import { formatAgentRequest, parseAgentReport } from '#lib/agent/messages/index';
import { kindOfReport, requestSubject } from '#lib/agent/nats/index';
import { NatsLauncherTransport, parseNatsNames, setUpNats, TenantEventOutbox } from '#lib/index';
import type { AgentReport, AgentRequest, OutboxEvent, TenantEvent } from '#lib/index';
import type { Ipv4Address } from '#lib/model/index';
import { ask, serve } from '../kernel/helpers/wire';
import { takeLease } from '../kernel/helpers/workload';
import { NatsServer } from '../support/nats';
import { ping } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { AgentBed, CNCI, CNCI_ADDRESS, NODE_IDS, NODES, TENANT } from './helpers/agent-bed';
import type { Carrier, NodeName, Workload, WorkloadPlace } from './helpers/agent-bed';
import { numbers } from './nats/bed';

const it = needs('vxlan', 'dnsmasq', 'nftables', 'real-root', 'nats-server');
const MINUTE_MS = 60_000 * patience;
const PUBLIC = '198.51.100.200';
const NAMES = parseNatsNames();

/** Outboxes of the nodes, a controller, and the server between them and the agent. */
class NatsCarrier implements Carrier {
  readonly server: NatsServer;
  readonly outboxes = new Map<NodeName, TenantEventOutbox>();
  #directory = '';

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async start(): Promise<NatsCarrier> {
    const server = await NatsServer.start();
    await setUpNats({ servers: [server.address], uuid: 'admin' }, [CNCI]);
    return new NatsCarrier(server);
  }

  agentWords(directory: string): readonly string[] {
    this.#directory = directory;
    return ['--transport', 'nats', '--nats', this.server.address];
  }

  async outboxOf(node: NodeName): Promise<TenantEventOutbox> {
    const open = this.outboxes.get(node);
    if (open !== undefined) return open;
    const uuid = NODE_IDS[node];
    const outbox = await TenantEventOutbox.open({
      agentUuid: uuid,
      transport: new NatsLauncherTransport({
        servers: [this.server.address],
        uuid,
        timeoutMs: 1000,
      }),
      dataDir: join(this.#directory, `outbox-${node}`),
    });
    this.outboxes.set(node, outbox);
    return outbox;
  }

  async closeOutbox(node: NodeName): Promise<void> {
    await this.outboxes.get(node)?.close();
    this.outboxes.delete(node);
  }

  async command(wish: AgentRequest): Promise<void> {
    const connection = await connect({ servers: this.server.address });
    const subject = requestSubject(NAMES, CNCI, wish.kind);
    await jetstream(connection).publish(subject, formatAgentRequest(wish));
    await connection.close();
  }

  async tell(node: NodeName, event: TenantEvent): Promise<void> {
    const { agentUuid: cnId, agentIp: cnIp, tenantUuid: tenantId, subnetKey } = event;
    const said: OutboxEvent = {
      kind: event.kind === 'tenant-added' ? 'tunnel-add' : 'tunnel-del',
      ...{ cnId, cnIp, tenantId, subnetKey, subnetId: event.tenantSubnet.replace('/', '-') },
      ...{ concId: event.concentratorUuid, cnciIp: event.concentratorIp },
      ...{ subnet: event.tenantSubnet, tunnel: event.tunnel ?? 'gre' },
    };
    await (await this.outboxOf(node)).post(said);
  }

  async reported(kind: AgentReport['kind'], count: number): Promise<readonly AgentReport[]> {
    let found: AgentReport[] = [];
    await until(async () => {
      found = (await this.#reports()).filter((report) => report.kind === kind);
      return found.length >= count;
    }, MINUTE_MS);
    return found;
  }

  async #reports(): Promise<AgentReport[]> {
    const connection = await connect({ servers: this.server.address });
    try {
      const { streams } = await jetstreamManager(connection);
      const { state } = await streams.info(NAMES.reports);
      const reports: AgentReport[] = [];
      for (let seq = 1; seq <= state.last_seq; seq += 1) {
        const message = await streams.getMessage(NAMES.reports, { seq });
        const kind = message === null ? undefined : kindOfReport(message.subject);
        if (message !== null && kind !== undefined)
          reports.push(parseAgentReport(kind, message.string()));
      }
      return reports;
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of NODES) await this.closeOutbox(node);
    await this.server[Symbol.asyncDispose]();
  }
}

async function reaches(from: Workload, address: string): Promise<void> {
  const arrives = async (): Promise<boolean> =>
    (await ping(from.ns, address, { count: 1 })).received > 0;
  const what = `${from.config.vnicIp} to ${address}`;
  expect([what, await until(arrives, 30_000 * patience)]).toEqual([what, true]);
}

function health(bed: AgentBed): Promise<{ readonly tunnels: number; readonly publicIps: number }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: bed.agent.monitor, path: '/health' }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(JSON.parse(text) as never));
    });
    asking.on('error', reject);
    asking.end();
  });
}

async function hasTunnels(bed: AgentBed, count: number): Promise<void> {
  const is = async (): Promise<boolean> => (await health(bed)).tunnels === count;
  expect(await until(is, MINUTE_MS)).toBe(true);
}

const assignment = (privateIp: string): AgentRequest => ({
  kind: 'assign-public-ip',
  concentratorUuid: CNCI,
  tenantUuid: TENANT,
  instanceUuid: '2478251d-dce9-48d6-b83a-a717417072ce',
  publicIp: PUBLIC as Ipv4Address,
  privateIp: privateIp as Ipv4Address,
  vnicMac: '02:00:ac:10:01:05',
});

it(
  'createVnic on two nodes leads by itself to pings, DHCP, SSH and a public address',
  async () => {
    const carrier = await NatsCarrier.start();
    await using bed = await AgentBed.open(carrier);
    const [introduced] = await carrier.reported('concentrator-instance-added', 1);
    expect(introduced).toMatchObject({ instanceUuid: CNCI, concentratorIp: CNCI_ADDRESS });

    const near = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.5' });
    const far = await bed.createWorkload({ node: 'cn2', ip: '172.16.1.6' });
    const place: WorkloadPlace = { node: 'cn2', ip: '172.16.2.7', subnet: '172.16.2.0/24' };
    const other = await bed.createWorkload(place);
    await reaches(near, '172.16.1.6');
    await reaches(far, '172.16.2.7');
    await reaches(other, '172.16.1.5');

    const asking = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.9', isAttached: false });
    const lease = await takeLease(bed.box, asking.ns, 'eth0');
    expect(lease).toMatchObject({ ip: '172.16.1.9', router: '172.16.1.1' });

    await serve(bed.box, near.ns, 'tcp', ['172.16.1.5', 22]);
    const answers = async (address: string, port: number): Promise<boolean> =>
      !/^(silence|error)/.test(await ask(bed.outside, 'tcp', [address, port]));
    expect(await until(() => answers(CNCI_ADDRESS, 33_261), MINUTE_MS)).toBe(true);
    await carrier.command(assignment('172.16.1.5'));
    expect(await carrier.reported('public-ip-assigned', 1)).toMatchObject([{ publicIp: PUBLIC }]);
    expect(await until(() => answers(PUBLIC, 22), MINUTE_MS)).toBe(true);
    await bed.destroyWorkload('cn2', other);
    await hasTunnels(bed, 2);
  },
  3 * MINUTE_MS,
);

it(
  'agent, server and launchers die one after the other, and everything is told in the end',
  async () => {
    const carrier = await NatsCarrier.start();
    await using bed = await AgentBed.open(carrier);
    const near = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.5' });
    // Dead as soon as it may have heard of it.
    await bed.agent.kill();
    // Told while nobody listens, and while there is no server either.
    const far = await bed.createWorkload({ node: 'cn2', ip: '172.16.1.6' });
    await (await carrier.outboxOf('cn2')).flush();
    await carrier.server.kill();
    const late = await bed.createWorkload({
      node: 'cn2',
      ip: '172.16.3.6',
      subnet: '172.16.3.0/24',
    });
    expect((await carrier.outboxOf('cn2')).pending).toBe(1);
    await carrier.closeOutbox('cn2');
    await bed.startAgent();
    await carrier.server.resume();
    // The launcher of the second node is there again: what it had not told, it tells now.
    await carrier.outboxOf('cn2');
    await hasTunnels(bed, 3);
    await reaches(near, '172.16.1.6');
    await reaches(late, '172.16.3.1');
    await carrier.command(assignment('172.16.1.5'));
    await carrier.reported('public-ip-assigned', 1);

    const pinging = ping(near.ns, '172.16.1.6', { count: 40 });
    await bed.killAgent();
    await carrier.server.kill();
    await carrier.server.resume();
    await bed.killAgent();
    const { sent, received } = await pinging;
    expect({ sent, received }).toEqual({ sent: 40, received: 40 });
    await bed.destroyWorkload('cn2', far);
    await hasTunnels(bed, 2);
    expect(await health(bed)).toMatchObject({ publicIps: 1 });
  },
  4 * MINUTE_MS,
);

it(
  'two hundred subnets at once',
  async () => {
    const carrier = await NatsCarrier.start();
    await using bed = await AgentBed.open(carrier);
    await carrier.reported('concentrator-instance-added', 1);
    const outbox = await carrier.outboxOf('cn1');
    const began = performance.now();
    const events = numbers(200).map((n): OutboxEvent => ({
      ...{ kind: 'tunnel-add', cnciIp: CNCI_ADDRESS, cnIp: '198.51.100.2', subnetKey: 5000 + n },
      ...{ tenantId: TENANT, subnetId: `s${n}`, concId: CNCI, cnId: NODE_IDS.cn1 },
      ...{ subnet: `172.20.${n}.0/24`, tunnel: 'vxlan' },
    }));
    await Promise.all(events.map((event) => outbox.post(event)));
    await outbox.flush();
    const told = performance.now();
    const isDone = async (): Promise<boolean> => {
      const connection = await connect({ servers: carrier.server.address });
      const { consumers } = await jetstreamManager(connection);
      const info = await consumers.info(NAMES.requests, `cnci-${CNCI}`);
      await connection.close();
      return info.num_pending === 0 && info.num_ack_pending === 0;
    };
    expect(await until(isDone, 2 * MINUTE_MS)).toBe(true);
    const done = performance.now();
    await hasTunnels(bed, 200);
    const [toServer, toKernel] = [told - began, done - began].map(Math.round);
    console.log(`200 subnets: told after ${toServer} ms, executed after ${toKernel} ms`);
  },
  5 * MINUTE_MS,
);
