import type { TLSSocket } from 'node:tls';

import { APIError, isLibsnnetError } from '../../errors';
import { FrameDecoder } from './frame-decoder';
import { FrameEncoder } from './frame-encoder';
import { nameFrame } from './frames';
import type { SsntpFrame } from './frames';
import { malformed } from './malformed';
import { ERROR, INVALID_FRAME_TYPE } from './numbers';
import { NIL_UUID } from './uuid';
import { NO_BYTES, VERSION } from './wire-frame';
import type { PlainFrame, WireFrame } from './wire-frame';

/** What bounds a connection. */
export interface ConnectionLimits {
  readonly maxFrameBytes: number;
  readonly writeTimeoutMs: number;
}

/** Takes a frame; `false` stops the reading until {@link Connection.resume}. */
export type TakeFrame = (frame: WireFrame) => boolean;

/** A peer that reads nothing must not make us hold all that it is sent. */
const MOST_FRAMES_WAITING = 4;
/** How long a peer has to read our last words. */
const FAREWELL_MS = 1000;
const KEEP_ALIVE_MS = 15_000;

/** Frames in both directions over one TLS socket. */
export class Connection {
  /** Resolves with the reason when the connection is over, however that came. */
  readonly ended: Promise<APIError>;
  readonly #socket: TLSSocket;
  readonly #limits: ConnectionLimits;
  readonly #decoder: FrameDecoder;
  readonly #encoder: FrameEncoder;
  #take: TakeFrame | undefined;
  /** While one frame is awaited, what is wrong is told to who awaits it. */
  #fail: (error: APIError) => void;
  #reason: APIError | undefined;
  #isPumping = false;
  #isStopped = false;

  constructor(socket: TLSSocket, limits: ConnectionLimits) {
    this.#socket = socket;
    this.#limits = limits;
    this.#decoder = new FrameDecoder(limits.maxFrameBytes);
    this.#encoder = new FrameEncoder(limits.maxFrameBytes);
    this.#fail = (error) => this.close(error);
    this.ended = new Promise((resolve) => {
      socket.once('close', () => resolve((this.#reason ??= unreachable('the peer closed it'))));
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', (cause: Error) => {
      this.#reason ??= unreachable(cause.message, cause);
    });
    socket.on('data', (chunk: Buffer) => {
      this.#decoder.feed(chunk);
      this.#pump();
    });
    socket.pause();
  }

  get isOver(): boolean {
    return this.#reason !== undefined || this.#socket.destroyed;
  }

  /** The next frame; nothing is read beyond it until {@link deliver}. What cannot be read rejects, and closes nothing. */
  async receiveOne(): Promise<WireFrame> {
    const fail = this.#fail;
    try {
      return await new Promise<WireFrame>((resolve, reject) => {
        this.#fail = reject;
        void this.ended.then(reject);
        this.deliver((frame) => {
          this.#take = undefined;
          resolve(frame);
          return false;
        });
      });
    } finally {
      this.#fail = fail;
    }
  }

  /** Gives every further frame to `take`. */
  deliver(take: TakeFrame): void {
    this.#take = take;
    this.resume();
  }

  resume(): void {
    this.#isStopped = false;
    this.#pump();
  }

  /** The peer's next frame comes from an encoder that begins anew. */
  forgetTypes(): void {
    this.#decoder.forgetTypes();
  }

  /** Resolves when the frame has been handed to the kernel. */
  send(frame: WireFrame): Promise<void> {
    if (this.isOver || !this.#socket.writable) {
      return Promise.reject(this.#reason ?? unreachable('it is being closed'));
    }
    if (this.#socket.writableLength > this.#limits.maxFrameBytes * MOST_FRAMES_WAITING) {
      const detail = `${this.#socket.writableLength} bytes wait to be sent`;
      this.close(new APIError('SNNET_SSNTP_STALLED', { operation: 'send', detail }));
      return this.ended.then((reason) => Promise.reject(reason));
    }
    return this.#write(frame);
  }

  /** Ends it after one more frame, which the peer is given a moment to read. */
  refuse(operand: number, reason: APIError): void {
    void this.send(errorFrame(operand)).catch(() => undefined);
    this.finish(reason);
  }

  /** Ends it in order: what was sent goes out first. */
  finish(reason: APIError): void {
    this.#reason ??= reason;
    if (this.#socket.destroyed) return;
    this.#take = () => true;
    const farewell = setTimeout(() => this.#socket.destroy(), FAREWELL_MS);
    this.#socket.once('close', () => clearTimeout(farewell));
    this.#socket.end();
    // What still comes is read past: with bytes unread the kernel would reset what we sent.
    this.#fail = (error) => this.close(error);
    this.resume();
  }

  close(reason: APIError): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #write(frame: WireFrame): Promise<void> {
    return new Promise((resolve, reject) => {
      const bytes = this.#encoder.encode(frame);
      const { writeTimeoutMs } = this.#limits;
      const deadline = setTimeout(() => {
        const detail = `a frame was not taken within ${writeTimeoutMs} ms`;
        this.close(new APIError('SNNET_SSNTP_STALLED', { operation: 'send', detail }));
      }, writeTimeoutMs);
      this.#socket.write(bytes, (cause) => {
        clearTimeout(deadline);
        if (cause) reject((this.#reason ??= unreachable(cause.message, cause)));
        else resolve();
      });
    });
  }

  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      this.#takeAll();
    } catch (error) {
      this.#stop();
      if (!(error instanceof APIError)) throw error;
      this.#fail(error);
    } finally {
      this.#isPumping = false;
    }
  }

  #takeAll(): void {
    while (!this.#isStopped && this.#take !== undefined && !this.#socket.destroyed) {
      const frame = this.#decoder.read();
      if (frame === undefined) {
        this.#socket.resume();
        return;
      }
      if (!this.#take(frame)) this.#stop();
    }
  }

  #stop(): void {
    this.#isStopped = true;
    this.#socket.pause();
  }
}

/**
 * Makes the receiver of plain frames: a frame of no known type is answered as the original does, and one
 * of the handshake has no place here.
 */
export function plainFrames(
  connection: Connection,
  take: (frame: SsntpFrame) => boolean,
): TakeFrame {
  return (wire) => {
    if (wire.kind !== 'frame') malformed(`a second ${wire.kind} frame`);
    const frame = nameFrame(wire);
    if (frame !== undefined) return take(frame);
    void connection.send(errorFrame(INVALID_FRAME_TYPE)).catch(() => undefined);
    return true;
  };
}

export function unreachable(detail: string, cause?: unknown): APIError {
  return new APIError('SNNET_SSNTP_UNREACHABLE', { detail, cause });
}

/** What is not an error of ours is a defect, and must not be taken for the peer's. */
export function asOurs(error: unknown): APIError {
  if (error instanceof APIError || isLibsnnetError(error)) return error as APIError;
  throw error;
}

function errorFrame(operand: number): PlainFrame {
  return {
    kind: 'frame',
    ...VERSION,
    type: ERROR,
    operand,
    origin: NIL_UUID,
    payload: NO_BYTES,
  };
}
