/** One claim of the demonstration, and whether it held. */
export interface Check {
  readonly text: string;
  readonly passed: boolean;
}

/** Prints what happens, as it happens, and keeps the checks. */
export class Report {
  readonly checks: Check[] = [];
  readonly #isQuiet: boolean;
  #scenes = 0;
  #isStopped = false;

  constructor(isQuiet: boolean) {
    this.#isQuiet = isQuiet;
  }

  /** Starts a numbered part. */
  scene(title: string): void {
    this.#scenes += 1;
    this.line(`\n${String(this.#scenes)}  ${title}`);
  }

  /** Something to read, indented; may have several lines. */
  show(text: string): void {
    this.line(text.replaceAll(/^/gm, '       '));
  }

  /** A claim. One that does not hold fails the demonstration at its end. */
  check(text: string, passed: boolean): void {
    this.checks.push({ text, passed });
    this.line(`   ${passed ? 'ok ' : 'NO '} ${text}`);
  }

  /** From now on nothing more is said: whoever tries it ends there. */
  stop(): void {
    this.#isStopped = true;
  }

  line(text: string): void {
    if (this.#isStopped) throw new Error('stopped');
    if (!this.#isQuiet) process.stdout.write(`${text}\n`);
  }
}
