import { APIError } from '../errors';
import {
  PORT_BYTES,
  PROTOCOL_NUMBERS,
  PortWriter,
  keyAt,
  readPortKey,
  readPortTarget,
  targetAt,
  viewOf,
} from '../model';
import type { FirewallAction, PortList } from '../model';

export const NO_PORTS = new Uint8Array(0);

/**
 * Of the mappings of a list, those that are to be put there, or to go: in the common case all, which are
 * then the list's own bytes.
 *
 * @param present - What the device's ports lead to now.
 * @throws {@link APIError} `SNNET_FIREWALL_CONFLICT`: a port that is to come leads elsewhere, or is to
 * lead to two places.
 */
export function choosePorts(
  present: ReadonlyMap<number, number> | undefined,
  action: FirewallAction,
  { device, ports: list, isAscending }: PortList,
): Uint8Array {
  // Thousands of questions less where the answer is the same.
  const there = present?.size === 0 ? undefined : present;
  if (action === 'enable' && there === undefined && isAscending) return list;
  const view = viewOf(list);
  const isChosen = action === 'enable' ? arrivals(view, there, device) : departures(view, there);
  return pick(list, isChosen);
}

function pick(list: Uint8Array, isChosen: Chooser): Uint8Array {
  const view = viewOf(list);
  let chosen: PortWriter | undefined;
  for (let at = 0; at < list.length; at += PORT_BYTES) {
    if (!isChosen(at)) chosen ??= copyOf(view, at);
    else chosen?.addPair(keyAt(view, at), targetAt(view, at));
  }
  return chosen?.finish() ?? list;
}

type Chooser = (at: number) => boolean;

function arrivals(
  view: DataView,
  there: ReadonlyMap<number, number> | undefined,
  device: string,
): Chooser {
  const marks = new PortMarks();
  let listed: ReadonlyMap<number, number> | undefined;
  return (at) => {
    const key = keyAt(view, at);
    const present = there?.get(key);
    if (present === undefined && marks.add(key)) return true;
    // It stands already, or comes a second time in the list.
    const other = present ?? (listed ??= firstTargets(view)).get(key);
    const wanted = targetAt(view, at);
    if (other !== undefined && other !== wanted) throw portTaken(device, key, wanted, other);
    return false;
  };
}

// What leads elsewhere stays.
function departures(view: DataView, there: ReadonlyMap<number, number> | undefined): Chooser {
  const marks = new PortMarks();
  return (at) => {
    const key = keyAt(view, at);
    return there?.get(key) === targetAt(view, at) && marks.add(key);
  };
}

function firstTargets(view: DataView): Map<number, number> {
  const targets = new Map<number, number>();
  for (let at = 0; at < view.byteLength; at += PORT_BYTES) {
    const key = keyAt(view, at);
    if (!targets.has(key)) targets.set(key, targetAt(view, at));
  }
  return targets;
}

function copyOf(view: DataView, end: number): PortWriter {
  const copy = new PortWriter();
  for (let at = 0; at < end; at += PORT_BYTES) copy.addPair(keyAt(view, at), targetAt(view, at));
  return copy;
}

function portTaken(device: string, key: number, wanted: number, present: number): APIError {
  const { protocol, port } = readPortKey(key);
  const [taken, wish] = [present, wanted].map((target) => {
    const { address, port: inside } = readPortTarget(target);
    return `${address}:${String(inside)}`;
  });
  return new APIError('SNNET_FIREWALL_CONFLICT', {
    object: { device, protocol, port },
    detail: `it leads to ${String(taken)}, so not to ${String(wish)}`,
  });
}

/** A set of keys of ports: a bit for each, since it is asked for each of tens of thousands. */
export class PortMarks {
  readonly #bits = new Uint8Array((2 * 0x1_0000) / 8);

  /** False: it was in there already. */
  add(key: number): boolean {
    const place = placeOf(key);
    const bits = this.#bits[place >>> 3] ?? 0;
    const bit = 1 << (place & 7);
    this.#bits[place >>> 3] = bits | bit;
    return (bits & bit) === 0;
  }
}

function placeOf(key: number): number {
  return (key & 0xffff) + (key >>> 16 === PROTOCOL_NUMBERS.udp ? 0x1_0000 : 0);
}
