/**
 * Makes a plan fail, or the process die, at one of its steps. For tests: it is how every line of a
 * rollback and every instant of a crash is reached.
 */
export type Fault =
  | {
      /** Counted from 0. */
      readonly step: number;
      /** The errno name that the step "gets" instead of being done. */
      readonly errno: string;
      /** The step is done all the same: what the kernel says of it, and of what went with it, is lost. */
      readonly done?: boolean;
    }
  | {
      readonly step: number;
      /** The process kills itself (SIGKILL) before the step, or right after it. */
      readonly kill: 'before' | 'after';
    };
