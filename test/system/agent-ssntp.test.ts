/**
 * `snnet agent` as a process, between real compute nodes: what `createVnic` says leads by itself to a
 * network that works, by our SSNTP server as the scheduler.
 */
import { request } from 'node:http';
import type { AgentReport, AgentRequest, LauncherTransport, TenantEvent } from '#lib/index';
import type { Ipv4Address } from '#lib/model/index';
import { ask as askServer, serve } from '../kernel/helpers/wire';
import { takeLease } from '../kernel/helpers/workload';
import { ping } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { AgentBed, CNCI, CNCI_ADDRESS, NODE_IDS, TENANT } from './helpers/agent-bed';
import type { Carrier, NodeName, Workload } from './helpers/agent-bed';
import { ssntpWords } from './helpers/agent-process';
import { Scheduler } from './helpers/scheduler';

const it = needs('vxlan', 'dnsmasq', 'nftables', 'real-root');
const MINUTE_MS = 60_000 * patience;
const PUBLIC = '198.51.100.200';

/** Launchers, a scheduler, and the agent's files. */
class SsntpCarrier implements Carrier {
  readonly scheduler: Scheduler;
  readonly #launchers = new Map<NodeName, LauncherTransport>();

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
  }

  agentWords(directory: string): readonly string[] {
    return ssntpWords(directory, this.scheduler);
  }

  async command(request: AgentRequest): Promise<void> {
    await this.scheduler.connected(CNCI);
    await this.scheduler.send(CNCI, request);
  }

  async tell(node: NodeName, event: TenantEvent): Promise<void> {
    let launcher = this.#launchers.get(node);
    if (launcher === undefined) {
      launcher = this.scheduler.launcher(NODE_IDS[node]);
      this.#launchers.set(node, launcher);
    }
    const sender = launcher;
    await this.scheduler.connected(CNCI);
    // A connection is the scheduler's a moment before it is the launcher's.
    await until(
      () =>
        sender.send(event, 'once').then(
          () => true,
          () => false,
        ),
      MINUTE_MS,
    );
  }

  reported(kind: AgentReport['kind'], count: number): Promise<readonly AgentReport[]> {
    return this.scheduler.reported(kind, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const launcher of this.#launchers.values()) await launcher.close();
    await this.scheduler[Symbol.asyncDispose]();
  }
}

async function openBed(family: 'ciao' | 'openssl' = 'openssl'): Promise<{
  readonly bed: AgentBed;
  readonly carrier: SsntpCarrier;
}> {
  const carrier = new SsntpCarrier(await Scheduler.start(family));
  return { bed: await AgentBed.open(carrier), carrier };
}

async function reaches(from: Workload, address: string): Promise<void> {
  let last: unknown;
  await until(async () => {
    last = await ping(from.ns, address, { count: 1 });
    return (last as { readonly received: number }).received > 0;
  }, 20_000 * patience).catch(() => {
    throw new Error(`${from.config.vnicIp} does not reach ${address}: ${JSON.stringify(last)}`);
  });
}

/** What a page of the agent's monitor says. */
function ask(socketPath: string, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, path }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    asking.on('error', reject);
    asking.end();
  });
}

async function hasTunnels(bed: AgentBed, count: number): Promise<void> {
  await until(async () => {
    const { text } = await ask(bed.agent.monitor, '/health');
    return (JSON.parse(text) as { readonly tunnels: number }).tunnels === count;
  }, MINUTE_MS);
}

const assignment = (publicIp: string, privateIp: string): AgentRequest => ({
  kind: 'assign-public-ip',
  concentratorUuid: CNCI,
  tenantUuid: TENANT,
  instanceUuid: '2478251d-dce9-48d6-b83a-a717417072ce',
  publicIp: publicIp as Ipv4Address,
  privateIp: privateIp as Ipv4Address,
  vnicMac: '02:00:ac:10:01:05',
});

it(
  'createVnic on two nodes leads by itself to pings, DHCP, SSH and a public address',
  async () => {
    const { bed, carrier } = await openBed();
    await using _bed = bed;
    const [introduced] = await carrier.reported('concentrator-instance-added', 1);
    expect(introduced).toMatchObject({
      instanceUuid: CNCI,
      concentratorIp: CNCI_ADDRESS,
      tenantUuid: TENANT,
    });

    const near = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.5' });
    const far = await bed.createWorkload({ node: 'cn2', ip: '172.16.1.6' });
    const other = await bed.createWorkload({
      node: 'cn2',
      ip: '172.16.2.7',
      subnet: '172.16.2.0/24',
    });
    await reaches(near, '172.16.1.1');
    await reaches(near, '172.16.1.6');
    await reaches(far, '172.16.2.7');
    await reaches(other, '172.16.1.5');

    const asking = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.9', isAttached: false });
    const lease = await takeLease(bed.box, asking.ns, 'eth0');
    expect(lease).toMatchObject({ ip: '172.16.1.9', router: '172.16.1.1' });

    // 33000 + 256 + 5 leads to port 22.
    await serve(bed.box, near.ns, 'tcp', ['172.16.1.5', 22]);
    const answers = async (address: string, port: number): Promise<boolean> =>
      !/^(silence|error)/.test(await askServer(bed.outside, 'tcp', [address, port]));
    expect(await until(() => answers(CNCI_ADDRESS, 33_261), MINUTE_MS)).toBe(true);

    await carrier.command(assignment(PUBLIC, '172.16.1.5'));
    expect(await carrier.reported('public-ip-assigned', 1)).toMatchObject([{ publicIp: PUBLIC }]);
    expect(await until(() => answers(PUBLIC, 22), MINUTE_MS)).toBe(true);
    await carrier.command({
      ...assignment(PUBLIC, '172.16.1.5'),
      kind: 'release-public-ip',
    } as AgentRequest);
    await carrier.reported('public-ip-unassigned', 1);
    expect((await ping(bed.outside, PUBLIC, { count: 1 })).received).toBe(0);

    const ready = await ask(bed.agent.monitor, '/ready');
    expect(ready.status).toBe(200);
    expect(JSON.parse(ready.text)).toMatchObject({ id: CNCI, tunnels: 3, publicIps: 0 });
    const { text } = await ask(bed.agent.monitor, '/metrics');
    expect(text).toContain('snnet_agent_connected 1');
    expect(text).toMatch(
      /snnet_agent_request_seconds_count\{kind="tenant-added",outcome="done"\} 3/,
    );
    expect(text).toMatch(/^process_resident_memory_bytes/m);
    expect(bed.agent.residentMib).toBeLessThan(150);
  },
  3 * MINUTE_MS,
);

it(
  'killed and started again at every stage, the agent goes on where it was, and no ping is lost',
  async () => {
    const { bed, carrier } = await openBed('ciao');
    await using _bed = bed;
    const near = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.5' });
    // What is on its way to an agent that dies is lost: nobody acknowledges anything on SSNTP.
    await hasTunnels(bed, 1);
    await bed.killAgent();
    const far = await bed.createWorkload({ node: 'cn2', ip: '172.16.1.6' });
    await hasTunnels(bed, 2);
    await reaches(near, '172.16.1.6');
    await carrier.command(assignment(PUBLIC, '172.16.1.5'));
    await carrier.reported('public-ip-assigned', 1);

    // Whoever pings meanwhile sees nothing of it.
    const pinging = ping(near.ns, '172.16.1.6', { count: 40 });
    await bed.killAgent();
    await bed.killAgent();
    const { sent, received } = await pinging;
    expect({ sent, received }).toEqual({ sent: 40, received: 40 });
    await reaches(far, '172.16.1.1');
    await carrier.reported('concentrator-instance-added', 3);
    const { text } = await ask(bed.agent.monitor, '/health');
    expect(JSON.parse(text)).toMatchObject({
      tunnels: 2,
      publicIps: 1,
      badRows: 0,
      waitingRetries: 0,
    });

    await bed.destroyWorkload('cn2', far);
    await hasTunnels(bed, 1);
  },
  3 * MINUTE_MS,
);

it(
  'a scheduler that goes away and comes again finds everything told',
  async () => {
    const { bed, carrier } = await openBed();
    await using _bed = bed;
    await carrier.reported('concentrator-instance-added', 1);
    await carrier.scheduler.stop();
    await until(async () => (await ask(bed.agent.monitor, '/ready')).status === 503, MINUTE_MS);
    await carrier.scheduler.restart();
    await carrier.reported('concentrator-instance-added', 2);
    const near = await bed.createWorkload({ node: 'cn1', ip: '172.16.1.5' });
    await reaches(near, '172.16.1.1');
  },
  3 * MINUTE_MS,
);
