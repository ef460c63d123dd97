/** What is tried at every instant: an operation as data, and how a process comes to do it. */
import type { HostHooks } from '#lib/host/index';
import type { Capability } from '../../support/reasons';

/** Where operations take place. Plain data: it goes to other processes. */
export interface Scene {
  /** Path of the namespace that the library works in. */
  readonly node: string;
  /** Path of a container's namespace. */
  readonly container: string;
  /** For state files, daemons' sockets, stores. */
  readonly directory: string;
}

/** One process's work on an operation. */
export interface Attempt {
  /** Makes what the operation finds. */
  prepare(): Promise<void>;
  /** The operation itself; twice in a row is once. */
  act(): Promise<unknown>;
  /** What the library says is out of order: one sentence for each. */
  findings(): Promise<readonly string[]>;
  /** Does what the library offers against findings. */
  repair(): Promise<void>;
  /** Waits for what goes on behind the caller's back. */
  settle(): Promise<void>;
  /** Takes away everything that the library made. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface Operation {
  /** Unique. */
  readonly name: string;
  readonly needs: readonly Capability[];
  /**
   * The library puts right what is left when messages of one send are done in part, too. The kernel takes
   * them as one piece, which no signal gets in between of: only our own facility can cut it.
   */
  readonly survivesCuts: boolean;
  /**
   * Opens the library as a new process does: it reads what is there.
   *
   * @param hooks - Only {@link Attempt.act} is to be disturbed: they are quiet before.
   */
  open(scene: Scene, hooks: HostHooks): Promise<Attempt>;
}
