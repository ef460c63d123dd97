import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { releaseMemory } from '../kernel';

/** What may pile up before it is worth a pause of some ten milliseconds. */
const ROOM = 4 * 2 ** 20;
/** The space for what is short-lived would grow to four times as much, and is never given back. */
const LARGEST_NEW_SPACE = 8 * 2 ** 20;
const LOOK_EVERY_MS = 5;

/**
 * Keeps this process small: the engine gives memory back early, instead of letting the heap grow with
 * what is short-lived. For daemons, which do little most of the time.
 *
 * It begins with the first call of what is returned: a start should be quick before it is small, and
 * collecting in the smallest of spaces takes a fifth of it. Until then one space only is kept from growing.
 *
 * @returns What to call after work that left much behind, such as reading thousands of links: where it
 * was much, it is collected at once. Left to itself the engine would wait until it has some 50 MB of it.
 */
export function keepHeapSmall(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let left = process.memoryUsage().heapUsed;
  const begin = (): void => {
    clearInterval(timer);
    setFlagsFromString('--optimize-for-size');
  };
  const timer = setInterval(() => {
    if (newSpaceSize() < LARGEST_NEW_SPACE) return;
    clearInterval(timer);
    setFlagsFromString('--semi-space-growth-factor=1');
  }, LOOK_EVERY_MS).unref();
  return () => {
    begin();
    const { heapUsed } = process.memoryUsage();
    if (heapUsed - left >= ROOM) {
      collect();
      left = process.memoryUsage().heapUsed;
    }
    releaseMemory();
  };
}

function newSpaceSize(): number {
  const space = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  return space?.space_size ?? 0;
}
