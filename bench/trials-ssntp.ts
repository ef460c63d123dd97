/**
 * The trials on frames of SSNTP: nothing but bytes, in which no peer has an interest.
 */
import type { Trial } from './trials';

export const ON_FRAMES: readonly Trial[] = (['write', 'read'] as const).map((way) => ({
  name: `ssntp-codec-${way}`,
  unit: 'us',
  what: `a frame of 285 bytes of payload is ${way === 'write' ? 'written' : 'read'}`,
  run: { cmd: `ssntp-${way}`, n: 100_000, subnets: 1, present: 0 },
  peers: ['ours'],
  count: 100_000,
  targets: [{ against: 'absolute', most: 20, text: 'at least 50,000 frames/s' }],
}));
