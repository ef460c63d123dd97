/** `snnet agent` as a process of its own, whose network is a namespace of the test. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../support/child';
import { patience } from '../../support/run';
import { Tool } from '../../support/tool';

const CLI = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');

export interface AgentProcessOptions {
  readonly id: string;
  /** Path of the namespace. Default: this process's own. */
  readonly netns?: string;
  /** For its store, its sockets and its files. */
  readonly directory: string;
  /** How it is reached: what the transport adds. */
  readonly words: readonly string[];
  /** What to begin the command with: `setpriv …`. */
  readonly prefix?: readonly string[];
}

export class AgentProcess implements AsyncDisposable {
  readonly tool: Tool;
  readonly monitor: string;

  private constructor(tool: Tool, monitor: string) {
    this.tool = tool;
    this.monitor = monitor;
  }

  /** Resolves when it has adopted what it was asked for before; it connects then. */
  static async start(options: AgentProcessOptions): Promise<AgentProcess> {
    const { id, netns, directory, words, prefix = [] } = options;
    const monitor = join(directory, 'run', 'monitor.sock');
    const argv = [
      ...[...prefix, process.execPath, CLI, 'agent', '--id', id],
      ...(netns === undefined ? [] : ['--netns', netns]),
      ...['--allow-veth-uplink', '--mode', 'vxlan', '--compute-net', '198.51.100.0/24'],
      ...['--data-dir', join(directory, 'data'), '--dhcp-dir', join(directory, 'dhcp')],
      ...['--monitor', `unix://${monitor}`, ...words],
    ];
    const timeoutMs = 30_000 * patience;
    const tool = await Tool.start(argv, { ready: /^agent .* serves/m, timeoutMs });
    return new AgentProcess(tool, monitor);
  }

  /** As when the machine takes it away. */
  async kill(): Promise<void> {
    process.kill(this.tool.pid as number, 'SIGKILL');
    await this.tool.stop();
  }

  /** Resident memory, in MiB. */
  get residentMib(): number {
    const status = readFileSync(`/proc/${String(this.tool.pid)}/status`, 'utf8');
    return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tool.stop();
  }
}

/** The words that lead an agent to a scheduler; writes its files. */
export function ssntpWords(
  directory: string,
  to: {
    readonly address: string;
    readonly agentFiles: { readonly cert: string; readonly cacert: string };
  },
): readonly string[] {
  const [cert, cacert] = [join(directory, 'cert.pem'), join(directory, 'ca.pem')];
  writeFileSync(cert, to.agentFiles.cert, { mode: 0o600 });
  writeFileSync(cacert, to.agentFiles.cacert);
  // As the original is started.
  return ['-server', to.address, `-cacert=${cacert}`, '-cert', cert];
}
