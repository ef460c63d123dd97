/** Programs that send and answer real packets: each says who it heard from. */
import { run } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';
import type { Tool } from '../../support/tool';

export type Protocol = 'tcp' | 'udp';

const SERVER = `
const [protocol, port, address] = process.argv.slice(1);
const tell = (info) => info.address + ':' + info.port;
if (protocol === 'udp') {
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (_, info) => { console.log('heard ' + tell(info)); socket.send('from ' + tell(info), info.port, info.address); });
  socket.bind(Number(port), address, () => console.log('ready'));
} else {
  require('node:net').createServer((socket) => {
    const text = tell({ address: socket.remoteAddress, port: socket.remotePort });
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('from ' + text + '\\n'));
  }).listen(Number(port), address, () => console.log('ready'));
}`;

const CLIENT = `
const [protocol, address, port, wait, localPort] = process.argv.slice(1);
const end = (text) => { console.log(text); process.exit(0); };
setTimeout(() => end('silence'), Number(wait));
if (protocol === 'udp') {
  const socket = require('node:dgram').createSocket('udp4');
  socket.on('message', (data) => end(String(data)));
  socket.on('error', () => undefined);
  socket.bind(Number(localPort), () => socket.send('hello', Number(port), address, () => undefined));
} else {
  const socket = require('node:net').connect({ host: address, port: Number(port) });
  socket.on('connect', () => socket.write('hello\\n'));
  socket.on('data', (data) => end(String(data).trim()));
  socket.on('error', (error) => end('error ' + error.code));
}`;

/** Begins to answer on a port, of one of the namespace's addresses or of all. */
export function serve(
  box: Sandbox,
  ns: Namespace,
  protocol: Protocol,
  at: number | readonly [string, number],
): Promise<Tool> {
  const [address, port] = typeof at === 'number' ? ['0.0.0.0', at] : at;
  const argv = [process.execPath, '-e', SERVER, protocol, String(port), address];
  return box.start(ns, argv, { ready: /^ready/m });
}

/** Whom the server saw, without the port; `silence`, or `error <code>`. */
export async function ask(
  ns: Namespace,
  protocol: Protocol,
  [address, port]: readonly [string, number],
  { waitMs = 5000, localPort = 0 }: { readonly waitMs?: number; readonly localPort?: number } = {},
): Promise<string> {
  const words = [protocol, address, String(port), String(waitMs), String(localPort)];
  const argv = ['nsenter', `--net=${ns.path}`, process.execPath, '-e', CLIENT, ...words];
  const { stdout } = await run(argv, { timeoutMs: 30_000 });
  return stdout.trim().replace(/^from (?:::ffff:)?([\d.]+):\d+$/, '$1');
}

/** How long to wait for what must not come: an answer takes a hundredth of it. */
export const NEVER_MS = 400;
