/** Order over JetStream: with whatever lost, delivered again and killed, nothing older comes after newer. */
import * as fc from 'fast-check';

import { InHand } from '#lib/agent/nats/in-hand';
import type { Arrival, Link } from '#lib/agent/nats/in-hand';
import { SILENT_LOGGER } from '#lib/model/index';

const MESSAGES = 21;
const MOST_PENDING = 9;
const ANSWER_MS = 400;
const RUNS = process.env['CI'] === undefined ? 80 : 300;
/** Each is about something else; the second cannot be read, which is a subject of its own. */
const KINDS = ['assign-public-ip', 'tenant-added', 'refresh-cnci'] as const;

type Fate = 'taken' | 'answer lost' | 'lost';

/** A consumer of a work queue, and the agent's side of it, on a connection that may break at any time. */
class World {
  /** What was begun, by what it is about, in this order. */
  readonly begun: number[][] = [[], [], []];
  readonly acknowledged = new Set<number>();
  readonly fates: Fate[] = [];
  /** Delivered and not acknowledged: how often. */
  readonly #pending = new Map<number, number>();
  #running: { readonly finish: (error?: Error) => void; readonly owner: InHand }[] = [];
  #next = 1;
  #connection: { isDead: boolean } = { isDead: true };
  #isGathering = false;
  #inHand = this.#newProcess();

  get isDone(): boolean {
    return this.acknowledged.size === MESSAGES;
  }

  /** The next message, to the connection; lost with it, perhaps. */
  deliver(isLost: boolean): void {
    if (this.#connection.isDead || this.#pending.size >= MOST_PENDING) return;
    if (this.#next > MESSAGES) return;
    const sequence = this.#next++;
    this.#pending.set(sequence, 1);
    if (isLost) this.disconnect();
    else this.#inHand.take(this.#arrival(sequence));
  }

  /** Something that was not acknowledged in time, in any order. */
  async deliverAgain(place: number): Promise<void> {
    const all = [...this.#pending.keys()];
    const sequence = all[place % Math.max(all.length, 1)];
    if (sequence === undefined || this.#connection.isDead) return;
    this.#pending.set(sequence, (this.#pending.get(sequence) ?? 0) + 1);
    this.#inHand.take(this.#arrival(sequence));
    await this.#look();
  }

  disconnect(): void {
    this.#connection.isDead = true;
    this.#inHand.detach();
  }

  async connect(): Promise<void> {
    if (!this.#connection.isDead) return;
    const connection = { isDead: false };
    this.#connection = connection;
    this.#isGathering = true;
    const attached = this.#inHand.attach(this.#linkOver(connection), 'count').then(
      () => true,
      () => false,
    );
    await jest.advanceTimersByTimeAsync(ANSWER_MS * (MOST_PENDING + 1));
    if (await attached) await this.#look();
    else this.disconnect();
  }

  crash(): void {
    this.#connection.isDead = true;
    this.#running = [];
    this.#inHand = this.#newProcess();
  }

  finish(place: number, isDone: boolean): void {
    const [one] = this.#running.splice(place % Math.max(this.#running.length, 1), 1);
    one?.finish(isDone ? undefined : new Error('not yet'));
  }

  async drain(): Promise<void> {
    this.fates.length = 0;
    for (let round = 0; !this.isDone && round < 400; round += 1) {
      await this.connect();
      this.deliver(false);
      await this.deliverAgain(round);
      this.finish(0, true);
      await jest.advanceTimersByTimeAsync(500);
    }
  }

  /** As the transport does: nothing begins until all is here that the server had delivered. */
  async #look(): Promise<void> {
    if (!this.#isGathering || this.#connection.isDead) return;
    const { size } = this.#inHand;
    if (this.#pending.size > size) return;
    this.#isGathering = false;
    this.#inHand.begin();
    await jest.advanceTimersByTimeAsync(0);
  }

  #newProcess(): InHand {
    const inHand: InHand = new InHand(
      {
        request: ({ sequence = 0 }) => {
          // A process that is dead does nothing.
          if (inHand !== this.#inHand) return new Promise(() => undefined);
          this.begun[sequence % 3]?.push(sequence);
          return new Promise((resolve, reject) => {
            const finish = (error?: Error): void => (error ? reject(error) : resolve('done'));
            this.#running.push({ finish, owner: inHand });
          });
        },
      },
      { mostAttempts: 1000, logger: SILENT_LOGGER },
    );
    return inHand;
  }

  #linkOver(connection: { isDead: boolean }): Link {
    return {
      acknowledge: async (reply) => {
        const what = connection.isDead ? 'lost' : (this.fates.shift() ?? 'taken');
        if (what !== 'lost') {
          this.#pending.delete(Number(reply));
          this.acknowledged.add(Number(reply));
        }
        // Long enough for something to happen meanwhile.
        await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
        if (what === 'taken' && !connection.isDead) return;
        if (!connection.isDead) this.disconnect();
        throw new Error('the connection broke');
      },
      keep: () => undefined,
      release: () => undefined,
      bury: () => Promise.reject(new Error('nothing is to be buried here')),
    };
  }

  #arrival(sequence: number): Arrival {
    return {
      ...{ count: 'count', sequence, deliveries: 1, subject: '', payload: '' },
      kind: KINDS[sequence % 3],
      reply: String(sequence),
    };
  }
}

type Step = (world: World) => unknown;

const place = fc.nat(50);
const fates = fc.array(fc.constantFrom<Fate>('taken', 'taken', 'answer lost', 'lost'), {
  minLength: 40,
  maxLength: 40,
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constant<Step>((world) => world.deliver(false)),
  },
  {
    weight: 3,
    arbitrary: place.map(
      (n): Step =>
        (world) =>
          world.deliverAgain(n),
    ),
  },
  {
    weight: 6,
    arbitrary: place.map(
      (n): Step =>
        (world) =>
          world.finish(n, true),
    ),
  },
  {
    weight: 1,
    arbitrary: place.map(
      (n): Step =>
        (world) =>
          world.finish(n, false),
    ),
  },
  { weight: 6, arbitrary: fc.constant<Step>((world) => world.connect()) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.deliver(true)) },
  { weight: 1, arbitrary: fc.constant<Step>((world) => world.disconnect()) },
  { weight: 3, arbitrary: fc.constant<Step>((world) => world.crash()) },
);

test('what was begun about one thing never goes back, and in the end all is done', async () => {
  // Not until a time is over: what is broken off in the middle would go on with the clock of the next.
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fates, async (steps, fate) => {
      jest.useFakeTimers();
      try {
        const world = new World();
        world.fates.push(...fate);
        await world.connect();
        for (const one of steps) {
          await one(world);
          await jest.advanceTimersByTimeAsync(300);
        }
        await world.drain();
        expect(world.isDone).toBe(true);
        for (const begun of world.begun) {
          expect(begun).toEqual([...begun].sort((left, right) => left - right));
        }
        expect(new Set(world.begun.flat()).size).toBe(MESSAGES);
      } finally {
        jest.useRealTimers();
      }
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test('the next about the same thing begins when the server has confirmed the one before', async () => {
  const begun: number[] = [];
  let confirm = (): void => undefined;
  const link: Link = {
    acknowledge: (reply) =>
      reply === '1' ? new Promise((resolve) => (confirm = resolve)) : Promise.resolve(),
    keep: () => undefined,
    release: () => undefined,
    bury: () => Promise.resolve(),
  };
  const inHand = new InHand(
    {
      request: ({ sequence = 0 }) => {
        begun.push(sequence);
        return Promise.resolve('done');
      },
    },
    { mostAttempts: 1, logger: SILENT_LOGGER },
  );
  const arrival = (sequence: number, kind: Arrival['kind']): Arrival => ({
    ...{ count: 'count', sequence, deliveries: 1, subject: '', payload: '', kind },
    reply: String(sequence),
  });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  await inHand.attach(link, 'count');
  inHand.take(arrival(1, 'refresh-cnci'));
  inHand.take(arrival(2, 'refresh-cnci'));
  // Not before it is known that nothing older is to come.
  expect(begun).toEqual([]);
  inHand.begin();
  await settled();
  inHand.take(arrival(3, 'assign-public-ip'));
  await settled();
  expect(begun).toEqual([1, 3]);
  confirm();
  await settled();
  expect(begun).toEqual([1, 3, 2]);
  await inHand.close();
});
