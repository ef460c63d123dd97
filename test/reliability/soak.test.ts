/**
 * Mixed load beside a thousand VNICs: creates, destroys, rebuilds, changes of the firewall, calls that
 * are aborted, servers that are killed. Nothing grows, and nothing becomes slower.
 */
import { budget } from '../support/budget';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { describeFigures, judgeFigures } from './helpers/soak-figures';
import { SoakWorld } from './helpers/soak-world';

const seconds = budget('soak-seconds', { short: 300, long: 3600 });

needs('vxlan', 'dnsmasq', 'nftables')(
  'under load for long, memory, descriptors, links and latencies stay as they were',
  async () => {
    await using box = await Sandbox.open();
    await using world = await SoakWorld.open(box);
    const figures = await world.run(seconds * 1000);
    process.stdout.write(`${describeFigures(figures)}\n`);
    expect(judgeFigures(figures)).toEqual([]);
    await world.clear();
  },
  (seconds + 300) * 1000,
);
