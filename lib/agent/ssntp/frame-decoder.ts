import { APIError } from '../../errors';
import { compileFrame } from './frame-shape';
import type { FrameReader } from './frame-shape';
import { GobReader } from './gob-reader';
import { TypeTable } from './gob-types';
import { malformed } from './malformed';
import { NO_BYTES } from './wire-frame';
import type { WireFrame } from './wire-frame';

/** What a frame may have at most unless told otherwise. */
export const MOST_FRAME_BYTES = 16 * 1024 * 1024;

const SMALLEST_STORE = 4096;

/**
 * Makes frames of a stream of bytes, however it is cut. What it holds is bounded by the largest frame:
 * a length that is only claimed reserves nothing. After an error the stream is of no more use.
 */
export class FrameDecoder {
  readonly #types = new TypeTable();
  readonly #readers = new Map<number, FrameReader>();
  readonly #most: number;
  #store: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  /** The first chunk belongs to the caller: it is copied only if a message is not complete in it. */
  #isOurs = false;

  constructor(mostFrameBytes = MOST_FRAME_BYTES) {
    this.#most = mostFrameBytes;
  }

  /** Bytes that have come and belong to no frame that was read. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** Takes what has come; it must not change before {@link read} gives `undefined`. */
  feed(chunk: Uint8Array): void {
    if (this.pending === 0) {
      this.#store = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#isOurs = false;
      return;
    }
    this.#makeRoom(chunk.length);
    this.#store.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** The next frame; `undefined` until more bytes have come. */
  read(): WireFrame | undefined {
    for (;;) {
      const message = this.#nextMessage();
      if (message === undefined) {
        this.#keep();
        return undefined;
      }
      const id = message.int();
      if (id >= 0) return this.#readValue(id, message);
      this.#types.define(-id, message);
    }
  }

  /** What follows comes from a sender that begins anew, and will define its types again. */
  forgetTypes(): void {
    this.#types.clear();
    this.#readers.clear();
  }

  #readValue(id: number, message: GobReader): WireFrame {
    let read = this.#readers.get(id);
    if (read === undefined) {
      read = compileFrame(this.#types, id);
      this.#readers.set(id, read);
    }
    const frame = read(message);
    if (message.remaining > 0) malformed('bytes follow the value of a message');
    return frame;
  }

  #nextMessage(): GobReader | undefined {
    const first = this.#store[this.#start];
    if (first === undefined || this.pending === 0) return undefined;
    const prefix = first < 0x80 ? 1 : 0x101 - first;
    if (prefix > 9) malformed('a number has more than eight bytes');
    if (this.pending < prefix) return undefined;
    const length = new GobReader(this.#store, this.#start, this.#end).uint();
    if (length === 0) malformed('a message is empty');
    if (length > this.#most) {
      const detail = `a frame of ${length} bytes was announced; at most ${this.#most} are accepted`;
      throw new APIError('SNNET_SSNTP_TOO_LARGE', { detail });
    }
    const begin = this.#start + prefix;
    if (begin + length > this.#end) return undefined;
    this.#start = begin + length;
    return new GobReader(this.#store, begin, begin + length);
  }

  /** What is incomplete is ours from now on. */
  #keep(): void {
    if (!this.#isOurs && this.pending > 0) this.#makeRoom(0);
  }

  #makeRoom(more: number): void {
    const wanted = this.pending + more;
    if (this.#isOurs && this.#end + more <= this.#store.length) return;
    // Twice as much each time, so that a long message is not copied for each of its pieces.
    const fits = this.#isOurs && wanted <= this.#store.length / 2;
    const store = fits ? this.#store : new Uint8Array(Math.max(SMALLEST_STORE, wanted * 2));
    store.set(this.#store.subarray(this.#start, this.#end));
    this.#store = store;
    this.#end = this.pending;
    this.#start = 0;
    this.#isOurs = true;
  }
}
