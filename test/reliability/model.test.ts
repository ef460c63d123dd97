/**
 * Invented sequences against the real kernel: calls at the same time, callers who give up, restarts,
 * strangers. After each the model, the library's snapshot and the kernel agree.
 */
import { openStage } from '../kernel/helpers/firewall-bed';
import { makeHost } from '../kernel/helpers/node';
import { budget } from '../support/budget';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { cnciSequences, playCnci } from './helpers/model-cnci';
import { firewallSequences, playFirewall } from './helpers/model-firewall';
import { sequences } from './helpers/model-node';
import { NodeWorld } from './helpers/model-node-world';
import { checkModel } from './helpers/model-run';

const SHORT = 5000;
const operations = budget('operations', { short: SHORT, long: 200_000 });
/** Hours, or what there is room for among other tests. */
const SECONDS = operations > SHORT ? 4 * 3600 : 85;
const TIMEOUT_MS = (SECONDS + 240) * 1000;

/** Its part of all operations, and of the time. */
const part = (share: number) => ({
  operations: Math.round(operations * share),
  seconds: SECONDS * share,
});

needs('vxlan', 'macvtap')(
  'a compute node, whatever is asked of it and done to it, is what the model says',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const elsewhere = await box.netns('elsewhere', { leaves: 'anything' });
    const play = NodeWorld.play.bind(undefined, ns, elsewhere);
    await checkModel({ name: 'compute node', sequences, play, ...part(0.6) });
  },
  TIMEOUT_MS,
);

needs('vxlan')(
  'a concentrator, whatever is asked of it and done to it, is what the model says',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const play = playCnci.bind(undefined, ns);
    await checkModel({ name: 'concentrator', sequences: cnciSequences, play, ...part(0.2) });
  },
  TIMEOUT_MS,
);

needs('nftables')(
  'a firewall, whatever is asked of it and flushed by others, is what the model says',
  async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const play = playFirewall.bind(undefined, stage);
    await checkModel({ name: 'firewall', sequences: firewallSequences, play, ...part(0.2) });
  },
  TIMEOUT_MS,
);
