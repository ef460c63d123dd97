import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';

import { decodeMessage } from './protobuf';

/** A pod's sandbox: what CNI calls a container. */
export interface Sandbox {
  readonly id: string;
  readonly isReady: boolean;
}

// Of k8s.io/cri-api, runtime/v1/api.proto.
const LIST_POD_SANDBOX = '/runtime.v1.RuntimeService/ListPodSandbox';
const ITEMS = 1;
const ID = 1;
const STATE = 3;
const SANDBOX_READY = 0;

const HEAD_BYTES = 5;
const LARGEST = 64 * 2 ** 20;

/**
 * The pods' sandboxes of a container runtime. One call of gRPC with an empty request: for that a client
 * of ours is shorter than the configuration of another.
 */
export async function listSandboxes(
  socketPath: string,
  signal: AbortSignal,
): Promise<readonly Sandbox[]> {
  const session = connectHttp2('http://localhost', {
    createConnection: () => connect(socketPath),
  });
  try {
    return decodeSandboxes(await callUnary(session, LIST_POD_SANDBOX, signal));
  } finally {
    session.destroy();
  }
}

/** Pure: reads a `ListPodSandboxResponse`. */
export function decodeSandboxes(bytes: Buffer): readonly Sandbox[] {
  return decodeMessage(bytes).flatMap(({ number, value }) => {
    if (number !== ITEMS || !Buffer.isBuffer(value)) return [];
    const fields = decodeMessage(value);
    const id = fields.find((field) => field.number === ID)?.value;
    // What has its first value is left out on the wire.
    const state = fields.find((field) => field.number === STATE)?.value ?? BigInt(SANDBOX_READY);
    if (!Buffer.isBuffer(id)) throw new Error('a pod in the list has no id');
    return [{ id: id.toString('utf8'), isReady: state === BigInt(SANDBOX_READY) }];
  });
}

/** A call with one request, which is empty, and one answer (grpc/grpc, doc/PROTOCOL-HTTP2.md). */
function callUnary(
  session: ClientHttp2Session,
  path: string,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    session.once('error', reject);
    const stream = session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { signal },
    );
    let status: unknown;
    let words: unknown;
    let httpStatus: unknown;
    const note = (headers: Readonly<Record<string, unknown>>): void => {
      httpStatus ??= headers[':status'];
      status ??= headers['grpc-status'];
      words ??= headers['grpc-message'];
    };
    const chunks: Buffer[] = [];
    let size = 0;
    stream.on('response', note).on('trailers', note).once('error', reject);
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > LARGEST) stream.destroy(new Error('an answer that is too long'));
    });
    stream.once('end', () => {
      if (httpStatus === 200 && status === '0') resolve(Buffer.concat(chunks));
      else
        reject(
          new Error(`gRPC status ${String(status)} (${String(httpStatus)}): ${String(words)}`),
        );
    });
    stream.end(Buffer.alloc(HEAD_BYTES));
  }).then((bytes) => unwrap(bytes as Buffer));
}

/** One message: a byte that says whether it is compressed, its length, its bytes. */
function unwrap(bytes: Buffer): Buffer {
  const isWhole = bytes.length >= HEAD_BYTES && bytes.readUInt32BE(1) === bytes.length - HEAD_BYTES;
  if (!isWhole || bytes[0] !== 0) throw new Error('the answer is not one whole message');
  return bytes.subarray(HEAD_BYTES);
}
