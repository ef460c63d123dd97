import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What may pile up before it is worth a pause of some ten milliseconds. */
const ROOM = 4 * 2 ** 20;

/**
 * Keeps this process small: the engine gives memory back early, instead of letting the heap grow with
 * what is short-lived. For daemons, which do little most of the time.
 *
 * @returns What to call after work that left much behind, such as reading thousands of links: where it
 * was much, it is collected at once. Left to itself the engine would wait until it has some 50 MB of it.
 */
export function keepHeapSmall(): () => void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let left = process.memoryUsage().heapUsed;
  return () => {
    const { heapUsed } = process.memoryUsage();
    if (heapUsed - left < ROOM) return;
    collect();
    left = process.memoryUsage().heapUsed;
  };
}
