/**
 * Trials of container runtimes' plugins. Both sides: one program run for each command, from the same
 * parent, in namespaces that were made before.
 */
import type { Command } from './protocol';
import type { Target, Trial } from './trials';

const half: Target = { against: 'cni-bridge', most: 0.5, text: 'at most 1/2 x cni-bridge' };
const PEERS = ['ours', 'cni-bridge'] as const;

function command(cmd: Command['cmd'], n: number): Command {
  return { cmd, n, subnets: 1, present: 0 };
}

export const ON_CONTAINERS: readonly Trial[] = [
  {
    name: 'cni-add',
    unit: 'ms',
    what: 'ADD of one container, from starting the plugin to its end; ours with the address given',
    run: command('cni-add', 20),
    peers: PEERS,
    count: 20,
    targets: [half],
  },
  {
    name: 'cni-add-ipam',
    unit: 'ms',
    what: 'the same, our address from host-local as well',
    run: command('cni-add-ipam', 20),
    peers: PEERS,
    count: 20,
    targets: [half],
  },
  {
    name: 'cni-del',
    unit: 'ms',
    what: 'DEL of one container',
    run: command('cni-del', 20),
    peers: PEERS,
    count: 20,
    targets: [half],
  },
  {
    name: 'cni-del-ipam',
    unit: 'ms',
    what: 'the same, our address goes back to host-local',
    run: command('cni-del-ipam', 20),
    peers: PEERS,
    count: 20,
    targets: [half],
  },
  {
    name: 'cni-add-50',
    unit: 'ms',
    what: '50 ADDs at once, until the last plugin has ended; ours with the address given',
    run: command('cni-add-all', 50),
    peers: PEERS,
    count: 50,
    targets: [half],
  },
  {
    name: 'cni-add-50-ipam',
    unit: 'ms',
    what: 'the same, our addresses from host-local as well',
    run: command('cni-add-all-ipam', 50),
    peers: PEERS,
    count: 50,
    targets: [half],
  },
  {
    name: 'cni-rss',
    unit: 'MiB',
    what: 'the daemon behind snnet-cni, with 1,000 VNICs on the node',
    prepare: { n: 1000, subnets: 4 },
    run: command('cni-rss', 1000),
    peers: ['ours'],
    count: 1000,
    targets: [{ against: 'absolute', most: 80, text: 'below 80 MiB' }],
  },
];
