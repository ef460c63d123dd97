/**
 * A small process that starts programs for the tests: to start one copies the page tables of who starts
 * it, which takes a process that runs tests ten milliseconds, and this one one and a half.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { Socket } from 'node:net';
import { collect, runProgram } from './program';
import type { Ended, Program } from './program';

/** Where it listens; unset where there is none. */
const PLACE = 'SNNET_STARTER';

type Reply = { readonly ended: Ended } | { readonly failed: string };

/** @param path - For its socket. It ends with this process, and does not keep it. */
export async function openStarter(path: string, env: NodeJS.ProcessEnv): Promise<void> {
  const starter = fork(__filename, [path], { env });
  await once(starter, 'message');
  process.env[PLACE] = path;
  starter.unref();
  starter.channel?.unref();
}

/** Runs a program to its end, by the starter where there is one; rejects if it cannot be started. */
export async function start(program: Program): Promise<Ended> {
  const path = process.env[PLACE];
  if (path === undefined) return runProgram(program);
  const socket = createConnection({ path, allowHalfOpen: true });
  const text = collect(socket);
  socket.end(JSON.stringify(program));
  await once(socket, 'close');
  if (text() === '') throw new Error(`${program.argv.join(' ')}: the starter of programs is gone`);
  const reply = JSON.parse(text()) as Reply;
  if ('failed' in reply) throw new Error(reply.failed);
  return reply.ended;
}

async function serve(socket: Socket): Promise<void> {
  const text = collect(socket);
  await once(socket, 'end');
  const abandonment = new AbortController();
  socket.once('close', () => {
    abandonment.abort();
  });
  const reply = await runProgram(JSON.parse(text()) as Program, abandonment.signal).then(
    (ended): Reply => ({ ended }),
    (error: unknown): Reply => ({ failed: String(error) }),
  );
  socket.end(JSON.stringify(reply));
}

if (require.main === module) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // Who asked may be killed.
    socket.on('error', () => undefined);
    void serve(socket);
  });
  server.listen(process.argv[2], () => process.send?.('ready'));
  process.once('disconnect', () => process.exit());
}
