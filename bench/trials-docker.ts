/**
 * Trials with a dockerd: its client runs containers, on VNICs of ours and on its own bridge.
 */
import type { Trial } from './trials';

export const WITH_DOCKER: readonly Trial[] = [
  {
    name: 'docker-run',
    unit: 'ms',
    what: 'a container that comes, does nothing and goes; ours with its VNIC coming and going',
    run: { cmd: 'docker-run', n: 15, subnets: 1, present: 0 },
    peers: ['ours', 'docker-bridge'],
    count: 15,
    keepsMounts: true,
    targets: [{ against: 'docker-bridge', most: 1, text: 'no more than with docker’s own bridge' }],
  },
];
