import type { Host } from '../host';
import type { Finding } from '../topology';
import type { GaveUpEvent } from './events';

/** What healing did with what it was to mend. */
export interface Mended {
  readonly repaired: readonly Finding[];
  readonly left: readonly { readonly finding: Finding; readonly reason: string }[];
}

/** Who can look for what is out of order, and mend it. */
export interface HealSource {
  /** Looks, and changes nothing. */
  findings(): Promise<readonly Finding[]>;
  /** Mends those of the findings, as they are now, that are due; tells its readers what it did. */
  mend(isDue: (finding: Finding) => boolean): Promise<Mended>;
  /** The tenant that a subnet belongs to. */
  tenantOf(subnet: string): string | undefined;
}

/**
 * Removing is not taken back: what looks left behind may be another process's, at work. Everything else
 * may be put right by who put it wrong; and several things go wrong at once.
 */
const WAIT_MS: Readonly<Record<Finding['remedy'], number>> = {
  remove: 2000,
  remake: 200,
  reattach: 200,
  realias: 200,
  close: 200,
  none: Infinity,
};
const MOST_ATTEMPTS = 5;
const WINDOW_MS = 60_000;
const FIRST_PAUSE_MS = 200;
const RETRY_MS = 1000;
/** Between two looks, however much happens. */
const REST_MS = 100;

/** A subnet, or a link that belongs to none, with what was tried. */
interface Patient {
  readonly attempts: number[];
  notBefore: number;
  reason: string;
  hasGivenUp: boolean;
}

const UNDONE = 'it was mended, and undone again and again';

/**
 * Mends what stays out of order. Looks only when told that something changed, and again while there is
 * something to wait for; whom it has to mend too often it leaves alone.
 */
export class Healer {
  readonly #source: HealSource;
  readonly #logger: Host['logger'];
  readonly #tell: (event: GaveUpEvent) => void;
  /** When each finding was first seen. */
  #seen = new Map<string, number>();
  readonly #patients = new Map<string, Patient>();
  #timer: { readonly at: number; readonly handle: NodeJS.Timeout } | undefined;
  #restUntil = 0;
  #isRunning = false;
  #isLooking = false;
  #wakes = 0;

  constructor(source: HealSource, logger: Host['logger'], tell: (event: GaveUpEvent) => void) {
    this.#source = source;
    this.#logger = logger;
    this.#tell = tell;
  }

  start(): void {
    this.#isRunning = true;
    this.wake();
  }

  /** Something may be out of order. */
  wake(): void {
    if (!this.#isRunning) return;
    this.#wakes += 1;
    if (!this.#isLooking) this.#lookAt(now());
  }

  stop(): void {
    this.#isRunning = false;
    clearTimeout(this.#timer?.handle);
    this.#timer = undefined;
    this.#seen.clear();
    this.#patients.clear();
  }

  #lookAt(at: number): void {
    if (!this.#isRunning || (this.#timer !== undefined && this.#timer.at <= at)) return;
    clearTimeout(this.#timer?.handle);
    const due = Math.max(at, this.#restUntil);
    const handle = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#look();
      },
      Math.max(0, due - now()),
    );
    this.#timer = { at, handle: handle.unref() };
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const wakes = this.#wakes;
    let next: number | undefined;
    try {
      next = await this.#treat();
    } catch (error) {
      if (this.#isRunning) this.#logger.warn('healing failed; it is tried again', { error });
      next = now() + RETRY_MS;
    } finally {
      this.#isLooking = false;
      this.#restUntil = now() + REST_MS;
    }
    if (this.#wakes !== wakes) next = now();
    if (next !== undefined) this.#lookAt(next);
  }

  /** When to look again, if at all. */
  async #treat(): Promise<number | undefined> {
    const findings = (await this.#source.findings()).filter(({ remedy }) => remedy !== 'none');
    if (!this.#isRunning) return undefined;
    this.#noteSeen(findings);
    const open = findings.filter((finding) => this.#isOpen(finding, findings));
    const due = new Set(open.filter((finding) => this.#dueAt(finding) <= now()).map(keyOf));
    if (due.size > 0) await this.#mend((finding) => due.has(keyOf(finding)));
    // What was mended is looked at once more: whether it holds is not for us to say.
    const times = open.map((finding) =>
      due.has(keyOf(finding)) ? this.#patientOf(finding).notBefore : this.#dueAt(finding),
    );
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #noteSeen(findings: readonly Finding[]): void {
    const seen = new Map<string, number>();
    for (const finding of findings) {
      const key = keyOf(finding);
      seen.set(key, this.#seen.get(key) ?? now());
    }
    this.#seen = seen;
    const ill = new Set(findings.map(patientKeyOf));
    for (const [key, patient] of this.#patients) {
      forgetOld(patient);
      if (ill.has(key)) continue;
      patient.hasGivenUp = false;
      if (patient.attempts.length === 0) this.#patients.delete(key);
    }
  }

  /** False for whom there is nothing to be done; says so when it comes to that. */
  #isOpen(finding: Finding, all: readonly Finding[]): boolean {
    const patient = this.#patientOf(finding);
    if (!patient.hasGivenUp && patient.attempts.length >= MOST_ATTEMPTS) {
      patient.hasGivenUp = true;
      this.#giveUp(finding, patient, all);
    }
    return !patient.hasGivenUp;
  }

  #giveUp(finding: Finding, { attempts, reason }: Patient, all: readonly Finding[]): void {
    const { subnet } = finding;
    const tenantId = subnet === undefined ? undefined : this.#source.tenantOf(subnet);
    const key = patientKeyOf(finding);
    this.#logger.error('healing has stopped', { subnet, reason });
    this.#tell(
      Object.freeze({
        type: 'gave-up',
        findings: Object.freeze(all.filter((other) => patientKeyOf(other) === key)),
        attempts: attempts.length,
        reason,
        ...(subnet !== undefined && { subnet }),
        ...(tenantId !== undefined && { tenantId }),
      }),
    );
  }

  #dueAt(finding: Finding): number {
    const since = this.#seen.get(keyOf(finding)) ?? now();
    return Math.max(since + WAIT_MS[finding.remedy], this.#patientOf(finding).notBefore);
  }

  async #mend(isDue: (finding: Finding) => boolean): Promise<void> {
    const { repaired, left } = await this.#source.mend(isDue);
    const reasons = new Map<Patient, string>();
    for (const finding of repaired) reasons.set(this.#patientOf(finding), UNDONE);
    for (const { finding, reason } of left) reasons.set(this.#patientOf(finding), reason);
    for (const [patient, reason] of reasons) {
      patient.notBefore = now() + FIRST_PAUSE_MS * 2 ** patient.attempts.length;
      patient.attempts.push(now());
      patient.reason = reason;
    }
  }

  #patientOf(finding: Finding): Patient {
    const key = patientKeyOf(finding);
    const known = this.#patients.get(key);
    if (known !== undefined) return known;
    const patient: Patient = { attempts: [], notBefore: 0, reason: UNDONE, hasGivenUp: false };
    this.#patients.set(key, patient);
    return patient;
  }
}

function forgetOld({ attempts }: Patient): void {
  while ((attempts[0] ?? Infinity) < now() - WINDOW_MS) attempts.shift();
}

function keyOf({ type, link, subnet }: Finding): string {
  return `${type} ${String(link?.ifIndex)} ${subnet ?? ''}`;
}

function patientKeyOf({ link, subnet }: Finding): string {
  return subnet ?? `link ${String(link?.ifIndex)}`;
}

function now(): number {
  return performance.now();
}
