/** A node with a plugin in it, and a client that speaks as docker does. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComputeNode, DockerPlugin } from '#lib/index';
import type { ContainerNetwork, DockerPluginOptions, Vnic, VnicConfig } from '#lib/index';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { DockerClient } from './client';

export const SUBNET = '172.31.5.0/24';
export const GATEWAY = '172.31.5.1';
export const NETWORK_ID = '15d3219c975cd51cd0a793775b8b269b6f06a98e1c886fbc816866784b2693fb';

/** The VNIC of 172.31.5.`host`. */
export function vnicConfig(host: number, more: Partial<VnicConfig> = {}): VnicConfig {
  const hex = host.toString(16).padStart(2, '0');
  return {
    role: 'container',
    tenantId: 'alpha',
    subnetId: 'web',
    concId: 'cnci-alpha',
    concIp: '198.51.100.21',
    vnicId: `vnic-${String(host)}`,
    vnicIp: `172.31.5.${String(host)}`,
    vnicMac: `02:00:ac:1f:05:${hex}`,
    subnet: SUBNET,
    subnetKey: 77,
    ...more,
  };
}

/** A directory that is gone with its owner. */
export class Scratch implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'snnet-docker-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A host with an uplink, a node of ours on it, and room for plugins. */
export class DockerBed implements AsyncDisposable {
  readonly box: Sandbox;
  readonly ns: Namespace;
  readonly node: ComputeNode;
  readonly scratch = new Scratch();
  readonly #clients: DockerClient[] = [];
  readonly #plugins: DockerPlugin[] = [];

  private constructor(box: Sandbox, ns: Namespace, node: ComputeNode) {
    this.box = box;
    this.ns = ns;
    this.node = node;
  }

  static async open(): Promise<DockerBed> {
    const box = await Sandbox.open();
    const ns = await box.netns('node');
    const far = await box.netns('far');
    await box.link({ ns, name: 'eth0', address: '198.51.100.1/24' }, { ns: far, name: 'eth0' });
    const node = await ComputeNode.open({
      id: 'cn1',
      mode: 'vxlan',
      computeNets: ['198.51.100.0/24'],
      netns: ns.path,
      allowVethUplink: true,
    });
    return new DockerBed(box, ns, node);
  }

  /** Where a plugin finds what one before it left. */
  options(more: DockerPluginOptions = {}): DockerPluginOptions {
    const { path } = this.scratch;
    const address = `unix://${path}/plugins/snnet.sock`;
    return {
      address,
      specDir: `${path}/spec`,
      dataDir: `${path}/data`,
      netns: this.ns.path,
      ...more,
    };
  }

  async plugin(more: DockerPluginOptions = {}): Promise<DockerPlugin> {
    const plugin = new DockerPlugin(this.options(more));
    this.#plugins.push(plugin);
    await plugin.start();
    return plugin;
  }

  client(address: string | undefined): DockerClient {
    const client = new DockerClient(address);
    this.#clients.push(client);
    return client;
  }

  /** A plugin, and somebody who speaks to it. */
  async talk(
    more: DockerPluginOptions = {},
  ): Promise<{ plugin: DockerPlugin; docker: DockerClient }> {
    const plugin = await this.plugin(more);
    return { plugin, docker: this.client(plugin.state.address) };
  }

  async vnic(host: number, more: Partial<VnicConfig> = {}): Promise<[Vnic, ContainerNetwork]> {
    const { vnic, container } = await this.node.createVnic(vnicConfig(host, more));
    if (container === undefined) throw new Error('a VNIC without a container network');
    return [vnic, container];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client[Symbol.dispose]();
    for (const plugin of this.#plugins) await plugin.close();
    await this.node.resetNetwork();
    await this.node.settle();
    await this.node.close();
    this.scratch[Symbol.dispose]();
    await this.box[Symbol.asyncDispose]();
  }
}

/** What docker says when a network is made. */
export function createNetwork(bridge: string, more: object = {}): object {
  return {
    NetworkID: NETWORK_ID,
    Options: {
      'com.docker.network.enable_ipv6': false,
      'com.docker.network.generic': { bridge },
    },
    IPv4Data: [{ AddressSpace: '', Gateway: `${GATEWAY}/24`, Pool: SUBNET }],
    IPv6Data: [],
    ...more,
  };
}

/** What docker says when a container gets its place. */
export function createEndpoint(id: string, host: number, more: object = {}): object {
  const { vnicIp, vnicMac } = vnicConfig(host);
  return {
    NetworkID: NETWORK_ID,
    EndpointID: id,
    Interface: { Address: `${vnicIp}/24`, AddressIPv6: '', MacAddress: vnicMac },
    Options: { 'com.docker.network.portmap': [] },
    ...more,
  };
}

export function ends(id: string): object {
  return { NetworkID: NETWORK_ID, EndpointID: id };
}
