/** What a container runtime makes: a process in a network namespace of its own. */
import { statSync } from 'node:fs';
import { formatAttachment } from '#lib/cni/index';
import type { VnicConfigInput } from '#lib/model/index';
import { Tool } from '../../support/tool';
import { vnicConfig } from './node';

export class Container implements AsyncDisposable {
  readonly id: string;
  /** As long as the process lives. */
  readonly netns: string;
  /** Of its namespace. */
  readonly inode: number;
  readonly #tool: Tool;

  private constructor(id: string, tool: Tool) {
    this.id = id;
    this.#tool = tool;
    this.netns = `/proc/${String(tool.pid)}/ns/net`;
    this.inode = statSync(this.netns).ino;
  }

  static async start(id: string): Promise<Container> {
    const script = 'echo begun; exec sleep 100000';
    const argv = ['unshare', '--net', 'sh', '-c', script];
    return new Container(id, await Tool.start(argv, { ready: /^begun$/m }));
  }

  get pid(): number {
    return this.#tool.pid as number;
  }

  /** What the host's end of an interface is called. */
  nameOf(ifname: string): string {
    return formatAttachment({ network: 'net', containerId: this.id, ifname }, this.inode);
  }

  /** Its n-th VNIC, as the CNI plugin would make it. */
  vnic(n: number, changes: Partial<VnicConfigInput> = {}): VnicConfigInput {
    return vnicConfig(n, {
      role: 'container',
      altName: this.nameOf('eth0'),
      attach: { netns: this.netns, ifname: 'eth0' },
      ...changes,
    });
  }

  /** Ends as by a power cut: nobody calls DEL. */
  async kill(): Promise<void> {
    process.kill(this.pid, 'SIGKILL');
    await this.#tool.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#tool.stop();
  }
}
