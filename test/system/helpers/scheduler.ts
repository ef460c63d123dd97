/** A scheduler as ciao has one: who is meant gets the frame, and nothing is kept for who is away. */
import { formatAgentRequest, parseAgentReport, parseAgentRequest } from '#lib/agent/messages/index';
import type {
  AgentReport,
  AgentReportKind,
  AgentRequest,
  AgentRequestKind,
} from '#lib/agent/messages/index';
import { SsntpLauncherTransport } from '#lib/index';
import type {
  LauncherTransport,
  SsntpFrame,
  SsntpMessage,
  SsntpServer,
  SsntpSession,
} from '#lib/index';
import { issue } from '../../support/certificates';
import type { Family } from '../../support/certificates';
import { patience, until } from '../../support/run';
import { listen, LOOPBACK, PAIRS } from './ssntp';

const COMPUTE_NODE = 1;

const OPERANDS: Readonly<Record<AgentRequestKind, Pick<SsntpMessage, 'type' | 'operand'>>> = {
  'tenant-added': { type: 'EVENT', operand: 'TenantAdded' },
  'tenant-removed': { type: 'EVENT', operand: 'TenantRemoved' },
  'assign-public-ip': { type: 'COMMAND', operand: 'AssignPublicIP' },
  'release-public-ip': { type: 'COMMAND', operand: 'ReleasePublicIP' },
  'refresh-cnci': { type: 'COMMAND', operand: 'RefreshCNCI' },
};

const REPORTS: Readonly<Record<string, AgentReportKind>> = {
  ConcentratorInstanceAdded: 'concentrator-instance-added',
  PublicIPAssigned: 'public-ip-assigned',
  PublicIPUnassigned: 'public-ip-unassigned',
  AssignPublicIPFailure: 'assign-public-ip-failure',
  UnassignPublicIPFailure: 'unassign-public-ip-failure',
};

const FORWARDED: Readonly<Record<string, AgentRequestKind>> = {
  TenantAdded: 'tenant-added',
  TenantRemoved: 'tenant-removed',
};

export class Scheduler implements AsyncDisposable {
  /** What the agents told the controllers. */
  readonly reports: AgentReport[] = [];
  readonly #family: Family;
  readonly #sessions = new Map<string, SsntpSession>();
  #server: SsntpServer;
  #reading: Promise<void>;
  #port: number;

  private constructor(server: SsntpServer, family: Family) {
    this.#server = server;
    this.#family = family;
    this.#port = server.address.port;
    this.#reading = this.#read(server);
  }

  static async start(family: Family = 'openssl'): Promise<Scheduler> {
    return new Scheduler(await listen(PAIRS[family]), family);
  }

  get address(): string {
    return `${LOOPBACK}:${String(this.#port)}`;
  }

  /** The two files of an agent. */
  get agentFiles(): { readonly cert: string; readonly cacert: string } {
    const { agent, ca } = PAIRS[this.#family];
    return { cert: agent.pem, cacert: ca.certificate };
  }

  /** A compute node's launcher. */
  launcher(uuid: string): LauncherTransport {
    const { ca } = PAIRS[this.#family];
    const { pem } = issue({ issuer: ca, roles: [COMPUTE_NODE], name: 'launcher' });
    return SsntpLauncherTransport.open({
      uuid,
      certificate: pem,
      ca: ca.certificate,
      servers: [this.address],
    });
  }

  async connected(uuid: string): Promise<void> {
    await until(() => this.#sessions.has(uuid), 30_000 * patience);
  }

  isConnected(uuid: string): boolean {
    return this.#sessions.has(uuid);
  }

  /** What a controller sends. */
  async send(uuid: string, request: AgentRequest): Promise<void> {
    await this.sendText(uuid, request.kind, formatAgentRequest(request));
  }

  async sendText(uuid: string, kind: AgentRequestKind, payload: string): Promise<void> {
    const session = this.#sessions.get(uuid);
    if (session === undefined) throw new Error(`${uuid} is not connected`);
    await session.send({ ...OPERANDS[kind], payload } as SsntpMessage);
  }

  /** The reports of a kind, once there are so many. */
  async reported(kind: AgentReportKind, count: number): Promise<readonly AgentReport[]> {
    const found = (): readonly AgentReport[] => this.reports.filter((one) => one.kind === kind);
    await until(() => found().length >= count, 30_000 * patience);
    return found();
  }

  /** Ends the connections and is away. */
  async stop(): Promise<void> {
    await this.#server.close();
    await this.#reading;
    this.#sessions.clear();
  }

  /** Is there again, at the same address. */
  async restart(): Promise<void> {
    this.#server = await listen(PAIRS[this.#family], { port: this.#port });
    this.#reading = this.#read(this.#server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #read(server: SsntpServer): Promise<void> {
    for await (const event of server) {
      const { uuid } = event.session;
      if (event.kind === 'connected') this.#sessions.set(uuid, event.session);
      else if (event.kind === 'frame') await this.#take(event.frame);
      else if (this.#sessions.get(uuid) === event.session) this.#sessions.delete(uuid);
    }
  }

  async #take(frame: SsntpFrame): Promise<void> {
    const payload = Buffer.from(frame.payload).toString();
    const report = REPORTS[String(frame.operand)];
    if (report !== undefined) this.reports.push(parseAgentReport(report, payload));
    const kind = FORWARDED[String(frame.operand)];
    if (kind === undefined) return;
    const request = parseAgentRequest(kind, payload);
    if (!('concentratorUuid' in request)) return;
    // Whoever is away hears nothing of it.
    await this.#sessions
      .get(request.concentratorUuid)
      ?.send(frame)
      .catch(() => undefined);
  }
}
