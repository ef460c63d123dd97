/** What a concentrator's agent does when it is asked. What it needs is loaded when it is opened. */
import type { HostHooks } from '#lib/host/index';
import type { AgentRow } from './agent-attempt';
import type { Operation, Scene } from './operation';

const WEB = '172.16.1.5';
const PUBLIC = '198.51.100.77';

const ROWS: readonly AgentRow[] = [
  {
    name: 'agent: the first node of a subnet',
    prepare: [],
    act: { kind: 'tenant-added', node: 22 },
  },
  {
    name: 'agent: another node',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'tenant-added', node: 23 },
  },
  {
    name: 'agent: one of two nodes goes',
    prepare: [
      { kind: 'tenant-added', node: 22 },
      { kind: 'tenant-added', node: 23 },
    ],
    act: { kind: 'tenant-removed', node: 23 },
  },
  {
    name: 'agent: the last node goes',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'tenant-removed', node: 22 },
  },
  {
    name: 'agent: a node that has moved',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'tenant-added', node: 23, launcher: 22 },
  },
  {
    name: 'agent: a node whose key is another now',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'tenant-added', node: 22, key: 99 },
  },
  {
    name: 'agent: a node that has moved goes',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'tenant-removed', node: 23, launcher: 22 },
  },
  {
    name: 'agent: a public address comes',
    prepare: [{ kind: 'tenant-added', node: 22 }],
    act: { kind: 'assign-public-ip', publicIp: PUBLIC, privateIp: WEB },
  },
  {
    name: 'agent: a public address goes',
    prepare: [
      { kind: 'tenant-added', node: 22 },
      { kind: 'assign-public-ip', publicIp: PUBLIC, privateIp: WEB },
    ],
    act: { kind: 'release-public-ip', publicIp: PUBLIC, privateIp: WEB },
  },
  {
    name: 'agent: a public address goes, whosever it was',
    prepare: [
      { kind: 'tenant-added', node: 22 },
      { kind: 'assign-public-ip', publicIp: PUBLIC, privateIp: WEB },
    ],
    act: { kind: 'release-public-ip', publicIp: PUBLIC, privateIp: '172.16.1.6' },
  },
  {
    name: 'agent: other concentrators',
    prepare: [{ kind: 'refresh-cnci', neighbours: [2, 3] }],
    act: { kind: 'refresh-cnci', neighbours: [3, 4] },
  },
];

/**
 * An agent that is killed has remembered what it was asked for, or has not: the next one makes it so
 * before it serves. There is nothing to repair.
 */
export const AGENT: readonly Operation[] = ROWS.map((row) => ({
  name: row.name,
  needs: ['vxlan', 'nftables', 'dnsmasq'],
  survivesCuts: false,
  async open(scene: Scene, hooks: HostHooks) {
    const { AgentAttempt } = await import('./agent-attempt.js');
    return AgentAttempt.open(scene, hooks, row);
  },
}));
