/**
 * The trials with a concentrator's agent: a process of its own, told by a scheduler over TLS. The original's
 * cannot be a peer: it takes no GRE from a kernel that has none, and has no other tunnels.
 */
import type { Trial } from './trials';

const SUBNETS = 200;

const agent = (
  name: string,
  cmd: 'agent-added' | 'agent-restart' | 'agent-rss',
  rest: Pick<Trial, 'unit' | 'what' | 'targets'>,
): Trial => ({
  name,
  run: { cmd, n: cmd === 'agent-restart' ? 5 : 1, subnets: SUBNETS, present: 0 },
  peers: ['ours'],
  count: SUBNETS,
  ...rest,
});

export const WITH_AGENT: readonly Trial[] = [
  agent('agent-200-added', 'agent-added', {
    unit: 'ms',
    what: '200 TenantAdded at once, until bridges, tunnels, DHCP servers and ways out are there',
    targets: [{ against: 'absolute', most: 5000, text: 'less than 5 s' }],
  }),
  agent('agent-200-restart', 'agent-restart', {
    unit: 'ms',
    what: 'the agent killed and started with 200 subnets: from the start of the process until it serves',
    targets: [{ against: 'absolute', most: 1000, text: 'less than 1 s' }],
  }),
  agent('agent-200-rss', 'agent-rss', {
    unit: 'MiB',
    what: "the agent's resident memory with 200 subnets that it was told of, and after a restart",
    targets: [{ against: 'absolute', most: 100, text: 'less than 100 MiB' }],
  }),
];
