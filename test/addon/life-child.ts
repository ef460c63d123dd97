/** Processes that live and die with handles open. */
import { runChild } from '../support/child';
import type { ChildOptions, ChildResult } from '../support/child';

/** What every child begins with. `busy` keeps a kernel at work without end. */
const PRELUDE = `
  const { Kernel } = require('./dist/kernel');
  const { makePlan } = require('./dist/plan');
  const fs = require('node:fs');
  let next = 0x10000000;
  const create = () => ({ op: 'link.create', kind: 'bridge', ifname: 'b' + ++next, ifindex: next, alias: 'x' });
  const run = (kernel, ...steps) => kernel.run(makePlan('test', steps));
  const doomed = ({ ifindex, ifname, alias }) => ({ ifindex, ifname, alias });
  const churn = async (kernel) => {
    const step = create();
    await run(kernel, step);
    await run(kernel, { op: 'link.delete', links: [], retire: [{ ...doomed(step), trashName: 't' + step.ifindex }] });
  };
  const busy = (kernel) => { for (let n = 0; n < 20; ++n) (async () => { for (;;) await churn(kernel); })().catch(() => {}); };
  const threads = () => fs.readdirSync('/proc/self/task').length;
  const fds = () => fs.readdirSync('/proc/self/fd').length;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const quiet = (ok) => new Promise((resolve) => {
    const until = Date.now() + 10000;
    const look = () => (ok() || Date.now() > until ? resolve() : setTimeout(look, 20));
    look();
  });
`;

export function child(body: string, options: ChildOptions = {}): Promise<ChildResult> {
  const code = `${PRELUDE}\n(async () => {${body}\n})().catch((error) => { console.error(error); process.exit(99); });`;
  return runChild({ code }, options);
}

/** Ended by itself, with this status. A sanitizer would have spoken on standard error. */
export async function expectEnd(
  running: Promise<ChildResult>,
  status: number,
): Promise<ChildResult> {
  const result = await running;
  expect({ ...result, stdout: '', messages: [] }).toMatchObject({
    status,
    signal: null,
    timedOut: false,
  });
  expect(result.stderr).not.toMatch(/Sanitizer|runtime error:/);
  return result;
}

/** For children that have workers, which begin with the same. */
export const WORKER = `
  const { Worker } = require('node:worker_threads');
  const code = ${JSON.stringify(PRELUDE)};
  const work = (body) => new Worker(code + '(async () => {' + body + '})().catch((error) => { console.error(error); process.exit(98); });', { eval: true });
  const ended = (worker) => new Promise((resolve) => worker.once('exit', resolve));
`;
