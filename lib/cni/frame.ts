/**
 * What `snnet-cni` and the daemon say to each other; native/cni/daemon.cc is the other side. A frame is
 * four bytes of length (big endian), one byte that says what it is, and what belongs to it.
 */
import { CniFailure } from './failure';

/** What a runtime asked, as the front handed it on. */
export interface CniRequest {
  /** The `CNI_` variables of its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The network configuration as it came. */
  readonly config: string;
}

/** What comes from the front: the request first; then, if it was asked for, what the IPAM plugin gave. */
export type FrontFrame =
  | { readonly kind: 'request'; readonly request: CniRequest }
  | { readonly kind: 'address'; readonly given: string };

/** What goes to it. `wants-address`: it has to ask the IPAM plugin, then the answer will come. */
export type DaemonFrame =
  | { readonly kind: 'answer'; readonly status: number; readonly text: string }
  | { readonly kind: 'wants-address' };

const LENGTH_BYTES = 4;
/** The configuration and what the IPAM plugin says are at most 1 MiB each, an environment at most 2. */
const LONGEST = 4 * 2 ** 20;
const PROTOCOL = 1;
const REQUEST = 1;
const ADDRESS = 2;
const ANSWER = 1;
const WANTS_ADDRESS = 2;
const REQUEST_HEAD = 2 + LENGTH_BYTES;

/** Takes a stream apart into frames: bytes come in any portions. */
export class FrameReader {
  #parts: Buffer[] = [];
  #size = 0;

  /** The frames that are complete now, without their lengths. */
  read(bytes: Buffer): Buffer[] {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    const frames: Buffer[] = [];
    for (let frame = this.#take(); frame !== undefined; frame = this.#take()) frames.push(frame);
    return frames;
  }

  #take(): Buffer | undefined {
    if (this.#size < LENGTH_BYTES) return undefined;
    const [first] = this.#parts;
    const head = first !== undefined && first.length >= LENGTH_BYTES ? first : this.#join();
    const length = head.readUInt32BE();
    if (length < 1 || length > LONGEST) throw nonsense(`a frame of ${String(length)} bytes`);
    if (this.#size < LENGTH_BYTES + length) return undefined;
    const all = this.#join();
    const rest = all.subarray(LENGTH_BYTES + length);
    this.#parts = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    return all.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
  }

  #join(): Buffer {
    const all = this.#parts.length === 1 ? this.#parts[0] : undefined;
    const joined = all ?? Buffer.concat(this.#parts, this.#size);
    this.#parts = [joined];
    return joined;
  }
}

/** Reads a frame from the front. */
export function decodeFrontFrame(frame: Buffer): FrontFrame {
  switch (frame[0]) {
    case REQUEST:
      return { kind: 'request', request: decodeRequest(frame) };
    case ADDRESS:
      return { kind: 'address', given: frame.toString('utf8', 1) };
    default:
      throw nonsense(`a frame of kind ${String(frame[0])}`);
  }
}

/** Reads a frame from the daemon. */
export function decodeDaemonFrame(frame: Buffer): DaemonFrame {
  const status = frame[1];
  if (frame[0] === WANTS_ADDRESS) return { kind: 'wants-address' };
  if (frame[0] === ANSWER && status !== undefined) {
    return { kind: 'answer', status, text: frame.toString('utf8', 2) };
  }
  throw nonsense(`a frame of kind ${String(frame[0])}`);
}

export function encodeFrontFrame(frame: FrontFrame): Buffer {
  if (frame.kind === 'address') return frameOf(Buffer.from([ADDRESS]), Buffer.from(frame.given));
  const { environment, config } = frame.request;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`);
  const block = Buffer.from(variables.join(''));
  const head = Buffer.alloc(REQUEST_HEAD);
  head.writeUInt8(REQUEST, 0);
  head.writeUInt8(PROTOCOL, 1);
  head.writeUInt32BE(block.length, 2);
  return frameOf(head, block, Buffer.from(config));
}

export function encodeDaemonFrame(frame: DaemonFrame): Buffer {
  if (frame.kind === 'wants-address') return frameOf(Buffer.from([WANTS_ADDRESS]));
  return frameOf(Buffer.from([ANSWER, frame.status]), Buffer.from(frame.text));
}

function decodeRequest(frame: Buffer): CniRequest {
  if (frame.length < REQUEST_HEAD) throw nonsense('a request without its head');
  const protocol = frame.readUInt8(1);
  if (protocol !== PROTOCOL) {
    throw nonsense(
      `protocol ${String(protocol)}; snnet-cni and the daemon are of different versions`,
    );
  }
  const end = REQUEST_HEAD + frame.readUInt32BE(2);
  if (end > frame.length) throw nonsense('a request that is cut off');
  const block = frame.toString('utf8', REQUEST_HEAD, end);
  const pairs = block.split('\0').filter((text) => text !== '');
  const environment = Object.fromEntries(
    pairs.map((text) => {
      const equals = text.indexOf('=');
      return [text.slice(0, Math.max(equals, 0)), text.slice(equals + 1)];
    }),
  );
  return { environment, config: frame.toString('utf8', end) };
}

function frameOf(...parts: readonly Buffer[]): Buffer {
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(size);
  return Buffer.concat([length, ...parts], LENGTH_BYTES + size);
}

function nonsense(what: string): CniFailure {
  return new CniFailure('io', `snnet-cni sent ${what}`);
}
