import { Server } from 'node:net';
import type { Socket } from 'node:net';

import { ComputeNode } from '../compute-node';
import { isLibsnnetError } from '../errors';
import { parseLogger, refuse, SILENT_LOGGER, withOperation } from '../model';
import type { Logger, NodeOptionsInput } from '../model';
import { listenPrivately, peerCredentials } from '../service';
import { Conversation } from './conversation';
import { CniPlugin } from './plugin';
import { rehearse } from './rehearsal';
import type { OnTunnelEvent } from './setting';

/** Where `snnet-cni` looks for the daemon unless the network configuration says otherwise. */
export const CNI_SOCKET = '/run/snnet/cni.sock';

/** Options of `CniServer.open`. */
export interface CniServerOptions {
  /** The compute node that containers are attached to. */
  readonly node: NodeOptionsInput;
  /** Absolute path of the socket; its directory is made, and is ours alone. Default: `/run/snnet/cni.sock`. */
  readonly socketPath?: string | undefined;
  /** Gets what the concentrators must be told, in order. What it rejects with fails the ADD or DEL that caused it. */
  readonly onTunnelEvent: OnTunnelEvent;
  /** Where log lines go. Default: where the node's go. */
  readonly logger?: Logger | undefined;
}

/** Requests at once; whoever comes beyond them is told to try again later. */
const MOST_CONNECTIONS = 4096;

/**
 * The daemon behind `snnet-cni`: one compute node, opened once, serves the requests of container
 * runtimes over a unix socket that only root and its own user can connect to.
 */
export class CniServer implements AsyncDisposable {
  /** For whatever else works on the same node, such as an audit. */
  readonly node: ComputeNode;
  readonly socketPath: string;
  readonly #server: Server;
  readonly #conversations = new Set<Conversation>();
  #closing: Promise<void> | undefined;

  private constructor(node: ComputeNode, socketPath: string, server: Server) {
    this.node = node;
    this.socketPath = socketPath;
    this.#server = server;
  }

  /**
   * Opens the node and listens.
   *
   * @throws {@link APIError} what `ComputeNode.open` throws, `SNNET_SERVICE_RUNNING` (somebody listens
   * there already), `SNNET_STATE_UNSAFE` (the socket's directory is not safe).
   */
  static async open(options: CniServerOptions): Promise<CniServer> {
    const { onTunnelEvent, socketPath = CNI_SOCKET } = options;
    const logger = withOperation('CniServer.open', () => {
      if (typeof onTunnelEvent !== 'function') refuse(onTunnelEvent, 'onTunnelEvent', 'a function');
      const given = options.logger ?? options.node.logger;
      return given === undefined ? SILENT_LOGGER : parseLogger(given, 'logger');
    });
    const node = await ComputeNode.open(options.node);
    try {
      const server = new Server();
      server.maxConnections = MOST_CONNECTIONS;
      const serving = new CniServer(node, socketPath, server);
      const plugin = new CniPlugin(node, { onTunnelEvent, logger, netns: options.node.netns });
      server.on('connection', (socket) => {
        serving.#converse(socket, plugin, logger);
      });
      await listenPrivately(socketPath, { server });
      return serving;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  /**
   * Serves a number of requests that cannot be, so that the first real ones do not wait for compilers: a
   * tenth of a second now for some ten milliseconds then. Touches nothing.
   */
  rehearse(): Promise<void> {
    return rehearse(this.socketPath);
  }

  /** Lets nobody in any more, finishes what is at work, and closes the node. The kernel stays as it is. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#server.close();
    for (const conversation of this.#conversations) if (conversation.isIdle) conversation.drop();
    await Promise.all([...this.#conversations].map(({ finished }) => finished));
    try {
      await this.node.settle();
    } catch (error) {
      // Whoever has the node may have closed it.
      if (!isLibsnnetError(error, 'SNNET_HANDLE_CLOSED')) throw error;
    } finally {
      await this.node.close();
    }
  }

  #converse(socket: Socket, plugin: CniPlugin, logger: Logger): void {
    if (!isTrusted(socket)) {
      logger.warn('a process of another user wanted to speak to the CNI socket');
      socket.destroy();
      return;
    }
    const onError = (error: unknown): void => {
      logger.error('an ADD that nobody heard of could not be undone', { error });
    };
    const streams = { input: socket, output: socket };
    const conversation = new Conversation(streams, plugin.handle, { onError });
    this.#conversations.add(conversation);
    void conversation.finished.then(() => this.#conversations.delete(conversation));
  }
}

/** The directory and the socket keep others out already; a descriptor may have been passed on. */
function isTrusted(socket: Socket): boolean {
  try {
    const { uid } = peerCredentials(socket);
    return uid === 0 || uid === process.getuid?.();
  } catch {
    // It has gone again.
    return false;
  }
}
