import type { AddressInfo } from 'node:net';

import type { FastifyInstance } from 'fastify';

import { APIError } from '../errors';
import { formatAddress, listenPrivately, makeHttpServer } from '../service';
import type { ServiceAddress } from '../service';
import type { CnciAgentState } from './agent';
import type { AgentMonitor } from './monitor';

/** What is shown, and where. */
export interface MonitorServerOptions {
  readonly monitor: AgentMonitor;
  readonly agent: { readonly state: CnciAgentState };
  /** A unix socket in a directory of our own, or a port of this machine. */
  readonly address: ServiceAddress;
}

export interface MonitorServer {
  /** With the port that it really is. */
  readonly address: string;
  close(): Promise<void>;
}

/** Nothing is sent here but a line of a request. */
const LARGEST_BODY = 1024;
const REQUEST_MS = 5000;

/**
 * Serves `/metrics` (Prometheus), `/health` (the agent's state) and `/ready` (the same, with status 503
 * while there is no connection) to this machine.
 */
export async function serveMonitor(options: MonitorServerOptions): Promise<MonitorServer> {
  const { monitor, agent, address } = options;
  const server = makeHttpServer({
    bodyLimit: LARGEST_BODY,
    requestTimeout: REQUEST_MS,
    forceCloseConnections: true,
  });
  server.get('/metrics', async (_request, reply) => {
    const { type, text } = await monitor.metrics();
    return reply.type(type).send(text);
  });
  server.get('/health', async () => ({ status: 'ok', ...agent.state }));
  server.get('/ready', async (_request, reply) => {
    const { state } = agent;
    const isReady = state.peer !== undefined;
    return reply.code(isReady ? 200 : 503).send({ status: isReady ? 'ok' : 'offline', ...state });
  });
  try {
    await bind(server, address);
  } catch (error) {
    await server.close();
    throw error;
  }
  return { address: formatAddress(actual(server, address)), close: () => server.close() };
}

async function bind(server: FastifyInstance, address: ServiceAddress): Promise<void> {
  if (address.type === 'unix') {
    await server.ready();
    await listenPrivately(address.path, { server: server.server });
    return;
  }
  try {
    await server.listen({ host: address.host, port: address.port });
  } catch (cause) {
    const detail = cause instanceof Error ? cause.message : String(cause);
    const object = { address: formatAddress(address) };
    throw new APIError('SNNET_ADDRESS_TAKEN', { operation: 'serveMonitor', object, detail, cause });
  }
}

function actual(server: FastifyInstance, address: ServiceAddress): ServiceAddress {
  if (address.type === 'unix') return address;
  const { port } = server.server.address() as AddressInfo;
  return { ...address, port };
}
