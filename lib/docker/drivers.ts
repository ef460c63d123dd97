import type { Logger } from '../model';
import type { Registry } from './registry';
import type { RequestBody } from './request';
import type { VnicFinder } from './vnics';

/** What the calls of docker work on. */
export interface DriverContext {
  readonly registry: Registry;
  readonly finder: VnicFinder;
  readonly logger: Logger;
}

/** One request of docker's. */
export interface Turn {
  /** Throws when docker has been answered already, since this took too long. */
  check(): void;
  /** What to do if docker is answered before this is ready: it believes that nothing was done. */
  ifTooLate(undo: () => Promise<void>): void;
}

/** Answers one kind of request. */
export type Handler = (request: RequestBody, turn: Turn) => object | Promise<object>;

/** By path. */
export type Handlers = Readonly<Record<string, Handler>>;

/** What docker gets where there is nothing to say. */
export const NOTHING = Object.freeze({});
