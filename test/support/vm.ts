/**
 * Real virtual machines under QEMU (software emulation: `needs('qemu')`), driven over their serial
 * consoles. What waits here waits for a line to come, never for a time to pass.
 */
import { spawn } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';

import { PACKAGE_ROOT } from './child';
import type { Namespace } from './namespaces';
import type { PingResult } from './oracle';
import { patience, run } from './run';

/** Software emulation, on a machine that others use too. */
const BOOT_MS = 60_000 * patience;
const COMMAND_MS = 30_000 * patience;
/** The first image of a machine fetches a kernel. */
const IMAGE_MS = 300_000;

/** A kernel and what it finds in memory: busybox, and the drivers of virtio network cards. */
export class VmImage implements Disposable {
  readonly #directory: string;
  readonly kernel: string;
  readonly initrd: string;
  /** What the kernel is told. */
  readonly append: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.kernel = join(directory, 'kernel');
    this.initrd = join(directory, 'initrd');
    this.append = readFileSync(join(directory, 'append'), 'utf8').trim();
  }

  static async make(): Promise<VmImage> {
    const directory = mkdtempSync(join(tmpdir(), 'snnet-vm-'));
    try {
      const script = join(PACKAGE_ROOT, 'test', 'guest', 'make-vm-image');
      await run([script, directory], { timeoutMs: IMAGE_MS });
      return new VmImage(directory);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** A machine without any devices but a console on QEMU's standard input and output. */
  machineArgs(cpus = 1): string[] {
    const machine = ['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', 'max'];
    const size = ['-smp', String(cpus), '-m', '256M'];
    const bare = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
    const boot = ['-kernel', this.kernel, '-initrd', this.initrd, '-append', this.append];
    return [...bare, ...machine, ...size, ...boot, '-serial', 'stdio'];
  }

  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export interface VmOptions {
  /** What the machine gets besides its console: network cards. */
  readonly args: readonly string[];
  /** This process's descriptors that become QEMU's 3, 4, … */
  readonly fds?: readonly number[];
  readonly cpus?: number;
  /** Stands for `qemu-system-x86_64`, whose arguments follow. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** It waits for another's state: it is not ready by itself. */
  readonly isIncoming?: true;
}

/** A virtual machine that does what it is told. */
export class Vm implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  #said = '';
  #words = 0;

  private constructor(child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('close', () => resolve());
      child.once('error', (error) => {
        this.#said += error.message;
        resolve();
      });
    });
    // What is typed into a machine that is gone is lost.
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.#said += text));
    }
  }

  /** Starts QEMU in the namespace; resolves when the machine takes commands. */
  static async boot(image: VmImage, ns: Namespace, options: VmOptions): Promise<Vm> {
    const { args, fds = [], cpus, command = ['qemu-system-x86_64'] } = options;
    const argv = [`--net=${ns.path}`, ...command, ...image.machineArgs(cpus), ...args];
    const child = spawn('nsenter', argv, {
      stdio: ['pipe', 'pipe', 'pipe', ...fds],
      env: { ...process.env, ...options.env },
    }) as ChildProcessByStdio<Writable, Readable, Readable>;
    const vm = new Vm(child);
    try {
      if (options.isIncoming !== true) await vm.#hear(/^ready$/m, 0, BOOT_MS);
      return vm;
    } catch (error) {
      await vm.kill();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What a shell command in the machine prints; rejects where its status is not 0. */
  async run(command: string, timeoutMs = COMMAND_MS): Promise<string> {
    const { status, output } = await this.try(command, timeoutMs);
    if (status === 0) return output;
    throw new Error(`in the machine: ${command}: status ${String(status)}\n${output}`);
  }

  async try(
    command: string,
    timeoutMs = COMMAND_MS,
  ): Promise<{ readonly status: number; readonly output: string }> {
    this.#words += 1;
    const word = `done-${String(this.#words)}`;
    const from = this.#said.length;
    this.#child.stdin.write(`${word} ${command}\n`);
    const end = await this.#hear(new RegExp(`^${word} (\\d+)$`, 'm'), from, timeoutMs);
    const output = this.#said.slice(from, from + end.index).trimEnd();
    return { status: Number(end[1]), output };
  }

  /** Takes an address by DHCP, with what comes along, and tells what that was. */
  async lease(link = 'eth0'): Promise<Readonly<Record<string, string>>> {
    const fields = [...(await this.run(`lease ${link}`)).matchAll(/^(\w+)=(.*)$/gm)];
    return Object.fromEntries(fields.map(([, key = '', value = '']) => [key, value] as const));
  }

  /** Sends the next one as soon as there is an answer to the one before. */
  async ping(address: string, { size = 56, count = 3, waitS = 5 } = {}): Promise<PingResult> {
    const flags = ['-A', '-c', count, '-s', size, '-W', waitS].join(' ');
    const { output } = await this.try(`ping ${flags} ${address}`);
    const counts = /(\d+) packets transmitted, (\d+) packets received/.exec(output);
    if (counts === null) throw new Error(`in the machine: ping ${address}:\n${output}`);
    return { sent: Number(counts[1]), received: Number(counts[2]) };
  }

  /** A value under /sys/class/net. */
  async card(file: string, link = 'eth0'): Promise<string> {
    return (await this.run(`cat /sys/class/net/${link}/${file}`)).trim();
  }

  async powerOff(): Promise<void> {
    this.#child.stdin.write('off poweroff -f\n');
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), COMMAND_MS);
    await this.#ended;
    clearTimeout(insist);
  }

  /** As a power cut: QEMU is killed. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  /** Resolves as soon as what is said after `from` matches. */
  #hear(pattern: RegExp, from: number, timeoutMs: number): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#child.stdout.off('data', look);
        act();
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`the machine ${why}; it said:\n${this.#said.slice(-2000)}`)));
      const look = (): void => {
        const found = pattern.exec(this.#said.slice(from));
        if (found !== null) settle(() => resolve(found));
      };
      const timer = setTimeout(() => fail(`is silent after ${String(timeoutMs)} ms`), timeoutMs);
      this.#child.stdout.on('data', look);
      void this.#ended.then(() => fail('has ended'));
      look();
    });
  }
}
