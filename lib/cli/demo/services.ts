import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NAMESPACES } from './cast';
import { runIn } from './programs';
import { STATE_DIR } from './privacy';

/** Under /run, which is the demo's own. */
const CLIENT_SCRIPT = '/run/udhcpc-script';
// What udhcpc calls when it is told something: takes the address, the MTU and the route.
const SCRIPT = `#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev "$interface"
ip link set dev "$interface" mtu "$mtu"
ip route add default via "$router"
echo "lease $ip $router $mtu"
`;
const NAME_PATIENCE_MS = 5000;

/** What a workload was told by the server of its subnet. */
export interface Lease {
  readonly ip: string;
  readonly router: string;
  readonly mtu: number;
}

/** Asks for an address on `eth0` and takes it, as any container or virtual machine would. */
export async function takeLease(netns: string): Promise<Lease> {
  writeFileSync(CLIENT_SCRIPT, SCRIPT, { mode: 0o755 });
  const wishes = ['-O', 'router', '-O', 'mtu'];
  const timing = ['-t', '10', '-T', '1', '-n', '-q', '-f'];
  const client = ['busybox', 'udhcpc', '-i', 'eth0', '-s', CLIENT_SCRIPT, ...timing, ...wishes];
  const { output } = await runIn(netns, client);
  const [, ip, router, mtu] = /^lease (\S+) (\S+) (\d+)$/m.exec(output) ?? [];
  if (ip === undefined || router === undefined) {
    throw new Error(`${netns} was given no address: ${output.trim()}`);
  }
  return { ip, router, mtu: Number(mtu) };
}

/** Asks a name server until it knows the name: it reads new names a moment after it is told. */
export async function lookUp(netns: string, name: string, server: string): Promise<string> {
  const deadline = Date.now() + NAME_PATIENCE_MS;
  for (;;) {
    const { output } = await runIn(netns, ['busybox', 'nslookup', '-type=a', name, server]);
    const [, answer] = /^Name:.*\nAddress: (\S+)/m.exec(output) ?? [];
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) return 'no answer';
    await pause(50);
  }
}

/** Connects, and gives what is said there. */
export async function hear(netns: string, address: string, port: number): Promise<string> {
  const call = ['busybox', 'nc', '-w', '3', address, String(port)];
  const { output } = await runIn(netns, call);
  return output.trim();
}

/** Something in a namespace that listens: says its name, and the address that it sees. */
export class Greeter {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        resolve();
      });
    });
  }

  static async start(netns: string, port: number): Promise<Greeter> {
    const program = [process.execPath, join(__dirname, 'greeter.js'), netns, String(port)];
    const child = spawn('ip', ['netns', 'exec', netns, ...program], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    });
    const greeter = new Greeter(child);
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => {
        resolve();
      });
      child.once('error', reject);
      child.once('close', () => {
        reject(new Error(`nobody listens in ${netns}`));
      });
    });
    return greeter;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}

/** The servers for addresses and names that run, by what the system says. */
export function listServers(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // One that has ended, and that nobody has asked about yet, has no command line any more.
        return readFileSync(`/proc/${String(pid)}/cmdline`, 'utf8').includes(STATE_DIR);
      } catch {
        return false;
      }
    })
    .sort((a, b) => a - b);
}

/** Files of those servers. */
export function listStateFiles(): string[] {
  try {
    return readdirSync(STATE_DIR, { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
}

/** Tables of nftables in all namespaces. */
export async function listTables(): Promise<string[]> {
  const lists = await Promise.all(
    NAMESPACES.map(async (name) => {
      const { status, output } = await runIn(name, ['nft', 'list', 'tables']);
      if (status !== 0) throw new Error(`nft list tables failed in ${name}: ${output.trim()}`);
      const lines = output.split('\n').filter((line) => line !== '');
      return lines.map((line) => `${name}/${line}`);
    }),
  );
  return lists.flat();
}
