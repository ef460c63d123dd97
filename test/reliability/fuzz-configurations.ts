/** Every parser of what a user passes in: options and configurations. */
import { parseNatsAgentOptions, parseNatsOptions } from '#lib/agent/nats/options';
import { parseAgentOptions } from '#lib/agent/options';
import { parseOutboxOptions } from '#lib/agent/outbox/options';
import { parseOutboxEvent } from '#lib/agent/outbox/tunnel';
import { parseMessage } from '#lib/agent/ssntp/index';
import type { SsntpMessage } from '#lib/agent/ssntp/index';
import { parseAuditOptions } from '#lib/audit/options';
import { parseHosts } from '#lib/dhcp/host-names';
import { parseDhcpOptions } from '#lib/dhcp/options';
import { parseDhcpSubnet } from '#lib/dhcp/subnet';
import { parsePluginOptions } from '#lib/docker/options';
import * as model from '#lib/model/index';
import { mutateValue } from './fuzz-mutate';
import { refusalOfOurs } from './fuzz-target';
import type { Target } from './fuzz-target';

const TENANT = '11111111-1111-4111-8111-111111111111';
const IDS = { tenantId: TENANT, subnetId: 'web', concId: 'c1', concIp: '198.51.100.9' };
const VNIC = {
  ...IDS,
  ...{ role: 'container', vnicId: 'v1', vnicIp: '172.16.1.5', vnicMac: '02:00:00:00:00:05' },
  ...{ subnet: '172.16.1.0/24', subnetKey: 7, mtu: 1400, queues: 1, owner: 0, altName: 'a' },
  attach: { netns: 'x', ifname: 'eth0', routes: [{ destination: '0.0.0.0/0', via: '172.16.1.1' }] },
};
const OPEN = {
  ...{
    id: TENANT,
    mode: 'vxlan',
    computeNets: ['198.51.100.0/24'],
    managementNets: [],
    netns: '/x',
  },
  ...{
    maxConcurrency: 8,
    timeoutMs: 6000,
    allowVethUplink: true,
    vxlanPort: 4789,
    genevePort: 6081,
  },
};
const CARD = { id: 'net0', firstFd: 3, queues: 2, vhost: true, mtu: true };
const nothing = (): void => undefined;
const TRANSPORT = { name: 'x', receive: nothing, report: nothing, send: nothing, close: nothing };
const NATS = {
  ...{
    servers: ['127.0.0.1:4222'],
    uuid: TENANT,
    user: 'a',
    password: 'b',
    prefix: 'x',
    streams: 'Y',
  },
  ...{ tls: { ca: '-----BEGIN CERTIFICATE-----', handshakeFirst: true }, timeoutMs: 100 },
};
const WORKLOAD = { externalDevice: 'eth0', internalIp: '172.16.1.5' };

type Parse = (input: unknown) => unknown;
const PARSERS: Readonly<Record<string, readonly [Parse, unknown]>> = {
  vnic: [(input) => model.parseVnicConfig(input, 'fuzz'), VNIC],
  vnicRef: [(input) => model.parseVnicRef(input, 'fuzz'), { ...VNIC, tenantId: 'a_b' }],
  cnciVnic: [
    (input) => model.parseCnciVnicConfig(input, 'fuzz'),
    { tenantId: TENANT, vnicId: 'v', vnicMac: VNIC.vnicMac, mode: 'vepa' },
  ],
  cnciVnicRef: [
    (input) => model.parseCnciVnicRef(input, 'fuzz'),
    { tenantId: TENANT, vnicId: 'v_w', vnicMac: VNIC.vnicMac },
  ],
  node: [(input) => model.parseNodeOptions(input), OPEN],
  cnci: [
    (input) => model.parseCnciOptions(input),
    { ...OPEN, tenantId: TENANT, dhcp: { domain: 'x' }, meshMode: 'gre', meshPrefixLength: 18 },
  ],
  dhcp: [
    (input) => parseDhcpOptions(input, 'fuzz'),
    {
      owner: TENANT,
      stateDir: '/run/x',
      domain: 'x.y',
      upstreams: ['192.0.2.1'],
      leaseSeconds: 120,
    },
  ],
  dhcpSubnet: [
    (input) => parseDhcpSubnet(input, 'fuzz'),
    {
      subnet: VNIC.subnet,
      linkName: 'br0',
      ifindex: 7,
      gateway: '172.16.1.1',
      mtu: 1400,
      reserved: 3,
    },
  ],
  hosts: [(input) => parseHosts(input, 'fuzz'), [{ ip: '172.16.1.5', name: 'web-1' }]],
  remote: [
    (input) => model.parseRemoteSubnet(input, 'fuzz'),
    { subnet: VNIC.subnet, subnetKey: 7, cnIp: '198.51.100.7', mode: 'gre' },
  ],
  neighbors: [
    (input) => model.parseNeighbors(input, 'fuzz'),
    [{ physicalIp: '198.51.100.9', subnet: VNIC.subnet, tunnelIp: '192.168.0.1', tunnelId: 9 }],
  ],
  repoint: [
    (input) => model.parseRepointConfig(input, 'fuzz'),
    { from: '198.51.100.9', to: '198.51.100.10', concId: 'c', tenantId: 't' },
  ],
  call: [(input) => model.parseCallOptions(input, 'fuzz'), { timeoutMs: 100 }],
  firewall: [
    (input) => model.parseFirewallOptions(input),
    {
      externalDevices: ['eth0'],
      internalDevices: ['b'],
      guardInput: true,
      readOnly: false,
      netns: 'x',
    },
  ],
  action: [(input) => model.parseFirewallAction(input, 'fuzz'), 'enable'],
  forwardings: [
    (input) => model.parseForwardings(input, 'fuzz'),
    [{ externalDevice: 'eth0', internalDevice: 'b' }],
  ],
  ports: [
    (input) => model.parsePortMappings(input, 'fuzz'),
    [{ ...WORKLOAD, protocol: 'tcp', externalPort: 80, internalPort: 8080 }],
  ],
  publicIps: [
    (input) => model.parsePublicIps(input, 'fuzz'),
    { ...WORKLOAD, publicIp: '203.0.113.9' },
  ],
  qemu: [model.parseQemuOptions, CARD],
  firecracker: [model.parseFirecrackerOptions, { id: 'a' }],
  cloudHypervisor: [model.parseCloudHypervisorOptions, { firstFd: 3, queues: 2 }],
  libvirt: [model.parseLibvirtOptions, { queues: 2, vhost: true, mtu: true }],
  docker: [
    (input) => parsePluginOptions(input, 'fuzz'),
    { name: 'x', address: 'tcp://127.0.0.1:9', specDir: '/x', dataDir: '/y', timeoutMs: 5 },
  ],
  watch: [model.parseWatchOptions, { heal: true, signal: new AbortController().signal }],
  audit: [parseAuditOptions, { intervalMs: 5, graceMs: 5, deliver: nothing, dryRun: true }],
  agent: [
    (input) => parseAgentOptions(input, 'fuzz'),
    {
      cnci: { ...OPEN, tenantId: TENANT },
      ...{ transport: TRANSPORT, dataDir: '/x', network: true, ssh: true, subnetKeys: 'any' },
    },
  ],
  nats: [(input) => parseNatsOptions(input, 'fuzz'), NATS],
  natsAgent: [
    (input) => parseNatsAgentOptions(input, 'fuzz'),
    { ...NATS, setUp: true, mostAttempts: 3 },
  ],
  outbox: [
    (input) => parseOutboxOptions(input, 'fuzz'),
    { agentUuid: TENANT, transport: TRANSPORT, dataDir: '/x', repeatMs: 5 },
  ],
  outboxEvent: [
    (input) => parseOutboxEvent(input, 'fuzz'),
    {
      ...{ ...IDS, kind: 'tunnel-add', code: 2, subnet: VNIC.subnet, subnetKey: 7, tunnel: 'gre' },
      ...{ cnciIp: '198.51.100.9', cnIp: '198.51.100.7', cnId: TENANT },
    },
  ],
  message: [
    (input) => parseMessage(input as SsntpMessage, TENANT),
    {
      ...{ type: 'COMMAND', operand: 'START', payload: 'x', origin: TENANT, major: 1 },
      trace: {
        pathLength: 1,
        path: [{ uuid: TENANT, role: 4, sent: { seconds: 1, nanoseconds: 2 } }],
      },
    },
  ],
};

/** Which parser, and what it is given. */
type Given = readonly [name: string, value: unknown];

export const configurations: Target<Given> = {
  name: 'configurations',
  seeds: Object.entries(PARSERS).map(([name, [, seed]]): Given => [name, seed]),
  mutate: (dice, [name, value], [, other]) => [name, mutateValue(dice, value, other)],
  run: ([name, value]) => {
    const [parse] = PARSERS[name] ?? [];
    const parsed = parse?.(value);
    if (typeof parsed === 'object' && !Object.isFrozen(parsed) && name !== 'message') {
      throw new Error('what is parsed is not frozen');
    }
    return name;
  },
  refusalOf: refusalOfOurs,
};
