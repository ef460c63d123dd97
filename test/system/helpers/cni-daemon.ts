/** `snnet cni serve` as a process of its own, in the namespace of a node. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callCni } from '../../support/cni';
import type { CniCall, CniReply } from '../../support/cni';
import { patience } from '../../support/run';
import { Tool } from '../../support/tool';
import type { Container } from '../../kernel/helpers/container';
import { FILE } from './stand';

export interface DaemonOptions {
  /** Of the node and of the audit. */
  readonly env: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  /** What to begin the command with: `setpriv …`. */
  readonly prefix?: readonly string[];
}

export class CniDaemon implements AsyncDisposable {
  readonly #directory: string;
  readonly #tool: Tool;

  private constructor(directory: string, tool: Tool) {
    this.#directory = directory;
    this.#tool = tool;
  }

  static async start({ env, args = [], prefix = [] }: DaemonOptions): Promise<CniDaemon> {
    const directory = mkdtempSync(join(tmpdir(), 'snnet-daemon-'));
    const socket = join(directory, 'run', 'cni.sock');
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const command = [process.execPath, FILE, 'cni', 'serve', '--socket', socket, ...args];
    const argv = ['env', ...variables, ...prefix, ...command];
    const tool = await Tool.start(argv, { ready: /^serving /m, timeoutMs: 20_000 * patience });
    return new CniDaemon(directory, tool);
  }

  get tool(): Tool {
    return this.#tool;
  }

  get socket(): string {
    return join(this.#directory, 'run', 'cni.sock');
  }

  /** A line of `/proc/<pid>/status`. */
  status(name: string): string {
    const status = readFileSync(`/proc/${String(this.#tool.pid)}/status`, 'utf8');
    return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  }

  /** What a runtime does for a container. */
  call(command: string, container: Container, more: Partial<CniCall> = {}): Promise<CniReply> {
    const config = {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'snnet-cni',
      ...{ tenantId: 'alpha', subnetId: 'web', concId: 'cnci-alpha', concIp: '198.51.100.21' },
      ...{ subnet: '172.16.0.0/16', subnetKey: 101, daemonSocket: this.socket },
    };
    const { id: containerId, netns } = container;
    return callCni({ command, containerId, netns, ifname: 'eth0', config, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tool.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
