/**
 * Invented sequences against the real kernel: calls at the same time, callers who give up, restarts,
 * strangers. After each the model, the library's snapshot and the kernel agree.
 */
import { makeHost } from '../kernel/helpers/node';
import { budget } from '../support/budget';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import { sequences } from './helpers/model-node';
import { NodeWorld } from './helpers/model-node-world';
import { checkModel } from './helpers/model-run';

const operations = budget('operations', { short: 5000, long: 200_000 });
/** An hour and more, or what there is room for among other tests. */
const SECONDS = operations > 5000 ? 4 * 3600 : 85;
const TIMEOUT_MS = (SECONDS + 240) * 1000;

needs('vxlan', 'macvtap')(
  'a compute node, whatever is asked of it and done to it, is what the model says',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    const elsewhere = await box.netns('elsewhere', { leaves: 'anything' });
    await checkModel({
      name: 'compute node',
      sequences,
      play: (sequence) => NodeWorld.play(ns, elsewhere, sequence),
      operations: Math.round(operations * 0.7),
      seconds: SECONDS * 0.7,
    });
  },
  TIMEOUT_MS,
);
