import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import { isLibsnnetError } from '../errors';
import type { Logger } from '../model';
import { makeHttpServer } from '../service';
import type { Handler, Handlers, Turn } from './drivers';
import { Refusal, RequestBody } from './request';

/** What docker itself says and expects. */
const CONTENT_TYPE = 'application/vnd.docker.plugins.v1.1+json';
/** Docker's requests have some hundred bytes; options and labels come on top. */
const LARGEST_BODY = 256 * 1024;
/** Docker keeps connections; one that is closed at the wrong moment costs it a second. */
const IDLE_MS = 3_600_000;

/** How often the server looks for requests that do not go on. */
const LOOK_MS = 1000;

/** What the server needs to know. */
export interface ServerSetting {
  readonly handlers: Handlers;
  readonly timeoutMs: number;
  readonly logger: Logger;
}

/** A server that may be made to listen. */
export interface PluginServer {
  readonly fastify: FastifyInstance;
  /** Answers what was asked, then lets go of everybody, also of those who never finish asking. */
  close(): Promise<void>;
}

/**
 * The plugin's HTTP server, not listening yet. Every request is answered, in time and with what docker
 * understands: docker itself waits for ever, and for an error reads `Err` here and `Error` there.
 */
export function makeServer({ handlers, timeoutMs, logger }: ServerSetting): PluginServer {
  const working = new Set<Promise<unknown>>();
  const server = makeHttpServer({
    bodyLimit: LARGEST_BODY,
    keepAliveTimeout: IDLE_MS,
    // For a request to arrive as a whole; the answer has a deadline of its own.
    requestTimeout: timeoutMs,
    http: { connectionsCheckingInterval: LOOK_MS },
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => {
      void sendError(reply, error);
    },
  });
  // Docker sends no Content-Type. What is not JSON is refused when it is read.
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    done(null, body);
  });
  for (const [path, handler] of Object.entries(handlers)) {
    server.post(path, async (request, reply) => {
      const sent = whenClosed(reply);
      working.add(sent);
      void sent.then(() => working.delete(sent));
      await send(reply, 200, await answer(handler, request, timeoutMs, logger));
    });
  }
  server.setNotFoundHandler(async (request, reply) => {
    const isKnown = Object.hasOwn(handlers, request.url);
    const what = isKnown ? `${request.method} is not POST` : `there is no ${request.url}`;
    await sendError(reply, new Refusal(what, isKnown ? 405 : 404));
  });
  server.setErrorHandler(async (error: FastifyError, request, reply) => {
    logger.warn('docker was refused', { request: request.url, why: error.message });
    await sendError(reply, error);
  });
  const close = async (): Promise<void> => {
    const closed = server.close();
    while (working.size > 0) await Promise.allSettled([...working]);
    server.server.closeAllConnections();
    await closed;
  };
  return { fastify: server, close };
}

async function answer(
  handler: Handler,
  request: FastifyRequest,
  timeoutMs: number,
  logger: Logger,
): Promise<object> {
  // A browser on this machine: no page may talk to a plugin that listens on a port.
  if (request.headers.origin !== undefined) throw new Refusal('only docker is served', 403);
  const body = RequestBody.parse(typeof request.body === 'string' ? request.body : '');
  const deadline = new Deadline(timeoutMs);
  try {
    const result = await deadline.until(Promise.resolve(handler(body, deadline)), (error) => {
      logger.error('what docker was told is not done was not undone', { why: String(error) });
    });
    logger.debug('docker was answered', { request: request.url });
    return result;
  } finally {
    deadline.finish();
  }
}

/** One request's time. */
class Deadline implements Turn {
  readonly #late: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #undo: (() => Promise<void>)[] = [];
  #error: Refusal | undefined;

  constructor(timeoutMs: number) {
    const { promise, reject } = withReject();
    this.#late = promise;
    this.#timer = setTimeout(() => {
      this.#error = new Refusal(`it took more than ${String(timeoutMs)} ms`);
      reject(this.#error);
    }, timeoutMs);
  }

  check(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  ifTooLate(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** The work's result; or an error, and what the work does nevertheless is undone when it is done. */
  async until<T>(work: Promise<T>, onFailure: (error: unknown) => void): Promise<T> {
    const settled = work.then(
      () => this.#undoIfLate(),
      () => undefined,
    );
    settled.catch(onFailure);
    return await Promise.race([work, this.#late]);
  }

  finish(): void {
    clearTimeout(this.#timer);
  }

  async #undoIfLate(): Promise<void> {
    if (this.#error === undefined) return;
    for (const undo of this.#undo) await undo();
  }
}

function withReject(): {
  readonly promise: Promise<never>;
  readonly reject: (error: Error) => void;
} {
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  promise.catch(() => undefined);
  return { promise, reject };
}

/** Resolves when the answer has left, or whoever asked is gone. */
function whenClosed(reply: FastifyReply): Promise<void> {
  return new Promise((resolve) => {
    if (reply.raw.closed) resolve();
    else reply.raw.once('close', resolve);
  });
}

function sendError(reply: FastifyReply, error: Error): Promise<void> {
  const message = isLibsnnetError(error) ? `${error.message}; ${error.remedy}` : error.message;
  return send(reply, statusOf(error), { Err: message, Error: message });
}

async function send(reply: FastifyReply, status: number, answer: object): Promise<void> {
  // As bytes: to a text a charset would be added.
  const bytes = Buffer.from(JSON.stringify(answer));
  await reply.code(status).header('Content-Type', CONTENT_TYPE).send(bytes);
}

function statusOf(error: Error): number {
  if (error instanceof Refusal) return error.status;
  const { statusCode } = error as Partial<FastifyError>;
  return statusCode !== undefined && statusCode >= 400 ? statusCode : 500;
}
