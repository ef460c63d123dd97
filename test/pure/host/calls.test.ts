import { Abandonment } from '#lib/host/abandonment';
import { Call } from '#lib/host/call';
import { Gate } from '#lib/host/gate';
import { SharedWork } from '#lib/host/shared-work';

function defer<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (e: Error) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

const calls: Call[] = [];
function startCall(options: ConstructorParameters<typeof Call>[1] = {}): Call {
  const call = new Call('op', options, 10_000);
  calls.push(call);
  return call;
}
afterEach(() => {
  for (const call of calls.splice(0)) call.finish();
});

test('a gate lets so many in, the others in the order they came', async () => {
  const gate = new Gate(2);
  const order: number[] = [];
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const leave = await gate.enter();
      order.push(n);
      most = Math.max(most, (inside += 1));
      await new Promise(setImmediate);
      inside -= 1;
      leave();
      leave();
    }),
  );
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test('who gives up while waiting leaves the queue and takes nobody’s place', async () => {
  const gate = new Gate(1);
  const leave = await gate.enter();
  const abandonment = new Abandonment();
  const first = gate.enter(abandonment);
  const second = gate.enter();
  abandonment.abandon();
  await expect(first).rejects.toThrow('nobody waits');
  leave();
  (await second)();
  (await gate.enter())();
  await expect(gate.enter(abandonment)).rejects.toThrow('nobody waits');
});

test('a call ends by its signal, with the reason', async () => {
  const controller = new AbortController();
  const call = startCall({ signal: controller.signal });
  const waiting = call.until(new Promise(() => undefined));
  controller.abort(new Error('why'));
  await expect(waiting).rejects.toMatchObject({
    code: 'SNNET_CALL_ABORTED',
    operation: 'op',
    cause: { message: 'why' },
  });
  expect(() => call.check()).toThrow(/aborted/);
});

test('a call that has waited for nobody ends by its deadline too', () => {
  const call = startCall({ timeoutMs: 5 });
  call.check();
  const end = performance.now() + 6;
  while (performance.now() < end);
  expect(() => call.check()).toThrow(/took more than 5 ms/);
});

test('a call ends by its deadline, and says which', async () => {
  const call = startCall({ timeoutMs: 5 });
  await expect(call.until(new Promise(() => undefined))).rejects.toMatchObject({
    code: 'SNNET_CALL_TIMEOUT',
    detail: 'it took more than 5 ms',
  });
});

test('a finished call keeps no listener and no timer', () => {
  const controller = new AbortController();
  const call = startCall({ signal: controller.signal });
  call.finish();
  controller.abort();
  expect(() => call.check()).not.toThrow();
});

test('work that is shared goes on while one waits', async () => {
  const { promise, resolve } = defer<string>();
  let abandoned: Abandonment | undefined;
  const work = new SharedWork((given) => {
    abandoned = given;
    return promise;
  });
  const controller = new AbortController();
  const first = work.join(startCall({ signal: controller.signal }));
  const second = work.join(startCall());
  controller.abort();
  await expect(first).rejects.toMatchObject({ code: 'SNNET_CALL_ABORTED' });
  expect(abandoned?.isAbandoned).toBe(false);
  resolve('made');
  expect(await second).toBe('made');
  expect([work.claim(), work.claim()]).toEqual([true, false]);
  await work.ended();
});

test('what was made when nobody was left is undone before the work ends', async () => {
  const { promise, resolve } = defer<string>();
  const undone: string[] = [];
  const work = new SharedWork(
    () => promise,
    async (made) => {
      await new Promise(setImmediate);
      undone.push(made);
    },
  );
  const controller = new AbortController();
  const only = work.join(startCall({ signal: controller.signal }));
  controller.abort();
  await expect(only).rejects.toMatchObject({ code: 'SNNET_CALL_ABORTED' });
  expect(work.isAbandoned).toBe(true);
  resolve('made');
  await work.ended();
  expect(undone).toEqual(['made']);
});

test('who gives up when the work is done gets its result all the same', async () => {
  const { promise, resolve } = defer<string>();
  const controller = new AbortController();
  const undo = jest.fn();
  const work = new SharedWork(async () => {
    const made = await promise;
    // As another caller would in the same turn.
    queueMicrotask(() => queueMicrotask(() => controller.abort()));
    return made;
  }, undo);
  const call = work.join(startCall({ signal: controller.signal }));
  resolve('made');
  const outcome = await call.catch((error: unknown) => error);
  if (outcome === 'made') expect(undo).not.toHaveBeenCalled();
  else expect(undo).toHaveBeenCalledWith('made');
});

test('a failure reaches everybody who waits, and nobody else', async () => {
  const work = new SharedWork(() => Promise.reject(new Error('no')));
  await expect(work.join(startCall())).rejects.toThrow('no');
  await work.ended();
  new SharedWork(() => Promise.reject(new Error('nobody hears')));
  await new Promise(setImmediate);
});
