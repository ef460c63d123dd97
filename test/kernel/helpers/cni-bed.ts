/** A node with the daemon of `snnet-cni` on it, and containers' namespaces for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CniServer } from '#lib/cni/index';
import type { CniServerOptions, OnTunnelEvent } from '#lib/cni/index';
import type { TunnelEvent } from '#lib/compute-node/index';
import { callCni } from '../../support/cni';
import type { CniCall, CniReply } from '../../support/cni';
import { ipLinks } from '../../support/oracle';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { CONC, CONC_IP, makeHost, optionsFor, SUBNET, TENANT } from './node';

export const CIDR = '172.16.1.0/24';
export const GATEWAY = '172.16.1.1';
export const KEY = 4711;

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces: readonly { name: string; mac?: string; mtu?: number; sandbox?: string }[];
  readonly ips: readonly { address: string; gateway?: string; interface?: number }[];
  readonly routes: readonly { dst: string; gw?: string }[];
  readonly dns: object;
}

/** What is asked for one container, besides what is the same for all. */
export type Ask = Partial<Omit<CniCall, 'command' | 'config'>> & {
  readonly config?: object;
  readonly ip?: string;
};

export class CniBed implements AsyncDisposable {
  readonly box: Sandbox;
  /** The node's namespace. */
  readonly ns: Namespace;
  readonly directory: string;
  readonly events: TunnelEvent[] = [];
  /** What else is done with an event; may reject. */
  onTunnelEvent: OnTunnelEvent = () => undefined;
  server: CniServer;

  private constructor(box: Sandbox, ns: Namespace, directory: string, server: CniServer) {
    this.box = box;
    this.ns = ns;
    this.directory = directory;
    this.server = server;
  }

  static async open(options: Partial<CniServerOptions> = {}): Promise<CniBed> {
    const box = await Sandbox.open();
    const ns = await makeHost(box);
    const directory = mkdtempSync(join(tmpdir(), 'snnet-cni-'));
    let bed: CniBed | undefined = undefined;
    const server = await CniServer.open({
      node: optionsFor(ns),
      socketPath: join(directory, 'run', 'cni.sock'),
      onTunnelEvent: (event) => bed?.hear(event),
      ...options,
    });
    bed = new CniBed(box, ns, directory, server);
    return bed;
  }

  hear(event: TunnelEvent): void | Promise<void> {
    this.events.push(event);
    return this.onTunnelEvent(event);
  }

  /** As when the machine's daemon is started anew. */
  async restart(): Promise<void> {
    const { socketPath } = this.server;
    await this.server.close();
    const onTunnelEvent: OnTunnelEvent = (event) => this.hear(event);
    this.server = await CniServer.open({ node: optionsFor(this.ns), socketPath, onTunnelEvent });
  }

  config(changes: object = {}): object {
    return {
      cniVersion: '1.0.0',
      name: 'web',
      type: 'snnet-cni',
      daemonSocket: this.server.socketPath,
      ...{ tenantId: TENANT, subnetId: SUBNET, concId: CONC, concIp: CONC_IP },
      ...{ subnet: CIDR, subnetKey: KEY },
      ...changes,
    };
  }

  container(label = 'c'): Promise<Namespace> {
    return this.box.netns(label);
  }

  call(command: string, ns: Namespace | undefined, ask: Ask = {}): Promise<CniReply> {
    const { config = {}, ip, ...call } = ask;
    const runtimeConfig = ip === undefined ? {} : { runtimeConfig: { ips: [ip] } };
    return callCni({
      command,
      containerId: 'c1',
      netns: ns?.path ?? '',
      config: this.config({ ...runtimeConfig, ...config }),
      ...call,
    });
  }

  /** An ADD that must work. */
  async add(ns: Namespace, ask: Ask): Promise<CniResult> {
    const { status, result, stdout, stderr } = await this.call('ADD', ns, ask);
    expect({ status, said: status === 0 ? '' : stdout + stderr }).toEqual({ status: 0, said: '' });
    return result as CniResult;
  }

  /** A DEL that must work. */
  async del(ns: Namespace | undefined, ask: Ask = {}): Promise<void> {
    expect(await this.call('DEL', ns, ask)).toMatchObject({ status: 0, stdout: '', stderr: '' });
  }

  /** The code that a command must fail with, and its words. */
  async refusal(command: string, ns: Namespace | undefined, ask: Ask): Promise<[number, string]> {
    const { status, result } = await this.call(command, ns, ask);
    expect(status).toBe(1);
    const { code, msg } = result as { code: number; msg: string };
    return [code, msg];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    rmSync(this.directory, { recursive: true });
    await this.box[Symbol.asyncDispose]();
  }
}

/** Names of the interfaces that a container got. */
export async function inside(ns: Namespace): Promise<string[]> {
  const links = await ipLinks(ns);
  const veths = links.filter(({ linkinfo }) => linkinfo?.info_kind === 'veth');
  return veths.map(({ ifname }) => ifname).sort();
}
