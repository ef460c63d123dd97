/** Jest begins with the files that take minutes, so that the workers end together. */
import Sequencer from '@jest/test-sequencer';
import type { Test } from '@jest/test-result';

/** The longest first. Of all others jest's own order is good enough. */
const LONGEST = [
  'reliability/soak',
  'reliability/kills',
  'package/consumers',
  'reliability/fuzz',
  'system/docker/real',
  'reliability/faults',
  'reliability/model',
];

function placeOf({ path }: Test): number {
  const place = LONGEST.findIndex((name) => path.endsWith(`/test/${name}.test.js`));
  return place < 0 ? LONGEST.length : place;
}

export default class LongestFirst extends Sequencer {
  override async sort(tests: Test[]): Promise<Test[]> {
    const sorted = await super.sort(tests);
    return [...sorted].sort((a, b) => placeOf(a) - placeOf(b));
  }
}
