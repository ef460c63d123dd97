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
    }
  | {
      readonly step: number;
      /** The process kills itself (SIGKILL) before the step, or right after it. */
      readonly kill: 'before' | 'after';
    };
