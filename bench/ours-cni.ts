/**
 * Our own plugin: `snnet-cni` as a runtime runs it, and its daemon, a process of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { measureCni, type CniContestant } from './cni';
import { describeVnic, type Answer, type Command } from './protocol';

const ROOT = resolve(__dirname, '../..');
const FRONT = join(ROOT, 'build/Release/snnet-cni');
const SNNET = join(ROOT, 'dist/cli/main.js');
const DEBIANS = '/usr/lib/cni';
const SUBNET = 500;

class Daemon {
  readonly directory = mkdtempSync(join(tmpdir(), 'snnet-bench-'));
  readonly socketPath = join(this.directory, 'run', 'cni.sock');
  readonly #child: ChildProcess;

  constructor() {
    const node = ['--id', 'bench', '--mode', 'vxlan', '--compute-net', '198.51.100.0/24'];
    const own = ['--allow-veth-uplink', '--socket', this.socketPath];
    const events = ['--events', join(this.directory, 'events')];
    const words = [SNNET, 'cni', 'serve', ...node, ...own, ...events];
    this.#child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  async ready(): Promise<void> {
    const { stderr } = this.#child;
    let said = '';
    for await (const bytes of stderr ?? []) {
      said += String(bytes);
      if (said.includes('serving')) break;
    }
    if (!said.includes('serving')) throw new Error(`the daemon ended: ${said}`);
  }

  /** Mebibytes. */
  get rss(): number {
    const status = readFileSync(`/proc/${String(this.#child.pid)}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await gone;
    rmSync(this.directory, { recursive: true });
  }
}

function contestant({ directory, socketPath }: Daemon, ipam: boolean): CniContestant {
  const { tenantId, subnetId, concId, concIp, subnetKey } = describeVnic(SUBNET, 0);
  const subnet = '10.92.0.0/16';
  const network = { tenantId, subnetId, concId, concIp, subnetKey, subnet };
  const head = { cniVersion: '1.0.0', name: 'bench', type: 'snnet-cni', daemonSocket: socketPath };
  const hostLocal = {
    type: 'host-local',
    dataDir: join(directory, 'ipam'),
    ranges: [[{ subnet }]],
  };
  const address = (n: number): string => `10.92.${String(n >> 7)}.${String(2 + (n & 127))}/16`;
  return {
    file: FRONT,
    path: DEBIANS,
    config: (n) =>
      ipam
        ? { ...head, ...network, ipam: hostLocal }
        : { ...head, ...network, runtimeConfig: { ips: [address(n)] } },
  };
}

/** Nothing where the command is for somebody else. */
export async function executeCniCommand(command: Command): Promise<Answer | undefined> {
  const name = command.cmd.replace(/-ipam$/, '') as Command['cmd'];
  if (!name.startsWith('cni-')) return undefined;
  const daemon = new Daemon();
  try {
    await daemon.ready();
    if (name === 'cni-rss') return { us: [], count: command.n, value: daemon.rss };
    return await measureCni(contestant(daemon, name !== command.cmd), { ...command, cmd: name });
  } finally {
    await daemon.stop();
  }
}
