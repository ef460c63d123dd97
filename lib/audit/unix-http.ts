import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';

/** A list of ten thousand containers has some 20 MiB. */
const LARGEST = 64 * 2 ** 20;

/** Asks a service that speaks HTTP on a unix socket; what is not a JSON answer with status 200 is an error. */
export async function getJson(
  socketPath: string,
  path: string,
  signal: AbortSignal,
): Promise<unknown> {
  const headers = { Host: 'localhost', Accept: 'application/json' };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    // No agent: a connection that is kept would keep the daemon from ending.
    const asked = request({ socketPath, path, headers, signal, agent: false }, resolve);
    asked.once('error', reject);
    asked.end();
  });
  const text = await readAll(response);
  const { statusCode = 0 } = response;
  if (statusCode !== 200) {
    throw new Error(`${socketPath} answered ${String(statusCode)}: ${text.slice(0, 200)}`);
  }
  return JSON.parse(text) as unknown;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST) throw new Error(`an answer of more than ${String(LARGEST)} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
