/**
 * The process that uses the library: what a launcher and the agents of two concentrators are in
 * production. Its parent tells it what to do, and kills it.
 */
import { Cnci } from '../../cnci';
import { ComputeNode } from '../../compute-node';
import { isLibsnnetError } from '../../errors';
import { Firewall } from '../../firewall';
import { probe } from '../../kernel';
import { CNCIS, NODES, UNDERLAY } from './cast';
import type { Calls, Found, Method, Reply, Request } from './protocol';

type Handlers = {
  readonly [M in Method]: (args: Calls[M]['args']) => Promise<Calls[M]['result']>;
};

const nodes = new Map<string, ComputeNode>();
const cncis = new Map<string, Cnci>();
let firewall: Firewall | undefined;

const handlers: Handlers = {
  open: async ({ mode, stateDir }) => {
    const common = { mode, computeNets: [UNDERLAY.subnet], allowVethUplink: true };
    for (const { id } of NODES) {
      nodes.set(id, await ComputeNode.open({ ...common, id, netns: id }));
    }
    for (const { id, tenantId } of CNCIS) {
      cncis.set(id, await Cnci.open({ ...common, id, tenantId, netns: id, dhcp: { stateDir } }));
    }
    return await found();
  },
  look: () => found(),
  planVnic: async ({ node, config }) => nodeOf(node).plan('createVnic', config).text,
  createVnic: ({ node, config }) => nodeOf(node).createVnic(config),
  destroyVnic: ({ node, config }) => nodeOf(node).destroyVnic(config),
  addSubnet: ({ cnci, config }) => cnciOf(cnci).addRemoteSubnet(config),
  delSubnet: ({ cnci, config }) => cnciOf(cnci).delRemoteSubnet(config),
  setHosts: async ({ cnci, hosts }) => {
    await cnciOf(cnci).setHosts(hosts);
    return null;
  },
  openFirewall: async ({ cnci, externalDevices }) => {
    firewall = await Firewall.open({ netns: cnci, externalDevices });
    return await firewall.dump();
  },
  forward: async (pair) => {
    await theFirewall().extFwding('enable', pair);
    return await theFirewall().dump();
  },
  publish: async (mapping) => {
    await theFirewall().extPortAccess('enable', mapping);
    return await theFirewall().dump();
  },
  shutdownFirewall: () => theFirewall().shutdown(),
  shutdown: ({ cnci }) => cnciOf(cnci).shutdown(),
  topology: async () => all().map((one) => one.topology()),
  settle: async () => {
    await Promise.all(all().map((one) => one.settle()));
    return null;
  },
  close: async () => {
    await firewall?.close();
    await Promise.all(all().map((one) => one.close()));
    return null;
  },
};

function all(): (ComputeNode | Cnci)[] {
  return [...nodes.values(), ...cncis.values()];
}

function nodeOf(id: string): ComputeNode {
  const node = nodes.get(id);
  if (node === undefined) throw new Error(`no compute node ${id}`);
  return node;
}

function cnciOf(id: string): Cnci {
  const cnci = cncis.get(id);
  if (cnci === undefined) throw new Error(`no concentrator ${id}`);
  return cnci;
}

function theFirewall(): Firewall {
  if (firewall === undefined) throw new Error('no firewall');
  return firewall;
}

async function found(): Promise<Found> {
  const [first] = nodes.values();
  if (first === undefined) throw new Error('no compute node');
  const hosts = all().map((one) => {
    const topology = one.topology();
    const ports =
      topology.type === 'cnci'
        ? topology.subnets.flatMap(({ tunnels }) => tunnels)
        : topology.vnics;
    return {
      id: topology.id,
      subnets: topology.subnets.length,
      ports: ports.length,
      findings: topology.findings.length,
    };
  });
  const servers = [...cncis.values()].flatMap((cnci) =>
    cnci.topology().subnets.flatMap(({ dhcp }) => dhcp?.pid ?? []),
  );
  const { nft, remarks } = await probe();
  const noFirewall = remarks.find((remark) => remark.includes('nftables')) ?? 'no nftables';
  const hasFirewall = nft.tables && nft.inetNat && nft.concatenatedMaps;
  return { mode: first.mode, hosts, servers, ...(!hasFirewall && { noFirewall }) };
}

async function serve({ id, method, args }: Request): Promise<Reply> {
  const start = performance.now();
  try {
    const handler = handlers[method] as (args: unknown) => Promise<unknown>;
    const result = await handler(args);
    return { id, result, ms: performance.now() - start };
  } catch (error) {
    if (isLibsnnetError(error)) return { id, error: error.toJSON() };
    return { id, error: { message: error instanceof Error ? error.message : String(error) } };
  }
}

process.on('message', (request: Request) => {
  void serve(request).then((reply) => process.send?.(reply));
});
// A Ctrl-C reaches every process of the terminal; the parent decides what becomes of this one.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => undefined);
process.on('disconnect', () => process.exit());
