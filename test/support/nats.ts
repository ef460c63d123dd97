/** Real nats-servers with JetStream, on loopback, each in a directory of its own that goes with it. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patience, until } from './run';
import { Tool } from './tool';

const LOOPBACK = [127, 0, 0, 1].join('.');

export interface NatsServerOptions {
  /** More of the server's configuration. */
  readonly config?: string;
  /** What the server's configuration refers to: written to its directory before it starts. */
  readonly files?: Readonly<Record<string, string>>;
  /** What routes the other servers of its cluster have. */
  readonly cluster?: { readonly port: number; readonly routes: readonly number[] };
  readonly name?: string;
  readonly port?: number;
}

export class NatsServer implements AsyncDisposable {
  readonly address: string;
  readonly directory: string;
  readonly #argv: readonly string[];
  #tool: Tool | undefined;

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.address = `${LOOPBACK}:${port}`;
    this.#argv = ['nats-server', '--config', join(directory, 'nats.conf')];
  }

  static async start(options: NatsServerOptions = {}): Promise<NatsServer> {
    const [port = 0] = options.port === undefined ? await freePorts(1) : [options.port];
    const directory = mkdtempSync(join(tmpdir(), 'snnet-nats-'));
    const server = new NatsServer(directory, port);
    try {
      for (const [name, text] of Object.entries(options.files ?? {})) {
        writeFileSync(join(directory, name), text, { mode: 0o600 });
      }
      server.configure(options);
      await server.resume();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Writes its configuration; what is in `DIR` of the text is its directory. */
  configure({ config = '', cluster, name = 'single' }: NatsServerOptions): void {
    const store = join(this.directory, 'jetstream');
    mkdirSync(store, { recursive: true });
    const routes = cluster?.routes.map((port) => `"nats://${LOOPBACK}:${port}"`).join(', ') ?? '';
    const lines = [
      `listen: "${this.address}"`,
      `server_name: ${name}`,
      `jetstream { store_dir: "${store}", max_mem: 64M, max_file: 2G }`,
      ...(cluster === undefined
        ? []
        : [`cluster { name: test, listen: "${LOOPBACK}:${cluster.port}", routes: [${routes}] }`]),
      config.replaceAll('DIR', this.directory),
    ];
    writeFileSync(join(this.directory, 'nats.conf'), `${lines.join('\n')}\n`);
  }

  /** Starts it again, with what it had on disk. */
  async resume(): Promise<void> {
    this.#tool = await Tool.start(this.#argv, {
      ready: /Server is ready/,
      timeoutMs: 20_000 * patience,
    });
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    await this.#tool?.stop();
    this.#tool = undefined;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    const pid = this.#tool?.pid;
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    await this.stop();
  }

  /** Stops answering, with all connections open: after the signal a busy thread may still answer for a while. */
  async freeze(): Promise<void> {
    const pid = this.#tool?.pid as number;
    process.kill(pid, 'SIGSTOP');
    const isFrozen = (): boolean => statesOfThreads(pid).every((state) => state === 'T');
    if (!(await until(isFrozen, 5000))) throw new Error(`nats-server ${pid} does not stop`);
  }

  thaw(): void {
    process.kill(this.#tool?.pid as number, 'SIGCONT');
  }

  reload(): void {
    process.kill(this.#tool?.pid as number, 'SIGHUP');
  }

  get log(): string {
    return this.#tool?.stderr ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Three servers that share everything. */
export class NatsCluster implements AsyncDisposable {
  readonly servers: readonly NatsServer[];

  private constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  static async start(): Promise<NatsCluster> {
    const ports = await freePorts(6);
    const routes = ports.slice(3);
    const servers = await Promise.all(
      routes.map((port, index) =>
        NatsServer.start({
          name: `n${index}`,
          port: ports[index] as number,
          cluster: { port, routes: routes.filter((other) => other !== port) },
        }),
      ),
    );
    return new NatsCluster(servers);
  }

  get addresses(): string[] {
    return this.servers.map(({ address }) => address);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

/** Ports that nobody listens on: held all at once, so that they differ, and let go. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => listen()));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => resolve(server));
  });
}

/** The letter that the kernel gives each thread of a process (proc(5)). */
function statesOfThreads(pid: number): readonly string[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const [, state = ''] =
      /\) (\S) /.exec(readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8')) ?? [];
    return state;
  });
}
