/** A socket that only its owner can reach, and who is at the other end of it. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, get } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listenPrivately, peerCredentials } from '#lib/service/index';
import { NodeChild } from '../support/child';
import { needs } from '../support/reasons';
import { collect } from '../support/run';
import { rejection } from '../kernel/helpers/bed';

let directory = '';
let path = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'snnet-service-'));
  path = join(directory, 'run', 'a.sock');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const close = (server: Server) => new Promise((resolve) => server.close(resolve));
const modeOf = (file: string): string => (lstatSync(file).mode & 0o7777).toString(8);
const once = (socket: Socket | Server, name: string) =>
  new Promise((resolve) => socket.once(name, resolve));

/** What whoever connects is told. */
async function ask(where = path): Promise<string> {
  const socket = connect(where);
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

function getOverHttp(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ socketPath, path: '/', agent: false }, (response) => {
      const text = collect(response);
      response.once('end', () => resolve(text()));
    }).once('error', reject);
  });
}

/** A daemon that says who it is; it tells us what became of it. */
const DAEMON = `
  const { listenPrivately } = require('./dist/service');
  process.once('message', () =>
    listenPrivately(process.argv[1]).then(
      (server) => {
        // Whoever only looks whether somebody answers does not stay to hear it.
        server.on('connection', (socket) => socket.on('error', () => {}).end(String(process.pid)));
        process.send('listening');
      },
      (error) => process.send(error.code),
    ));
  process.send('begun');`;

async function daemon(): Promise<NodeChild> {
  const child = new NodeChild({ code: DAEMON }, { args: [path] });
  await child.waitForMessages(1);
  return child;
}

describe('a private socket', () => {
  test('lies in a directory of ours, and goes when it is closed', async () => {
    const before = process.umask(0);
    const server = await listenPrivately(path);
    process.umask(before);
    server.on('connection', (socket) => socket.end('hello'));
    expect([modeOf(join(directory, 'run')), modeOf(path)]).toEqual(['700', '600']);
    expect(await ask()).toBe('hello');
    expect(readdirSync(join(directory, 'run'))).toEqual(['a.sock']);
    await close(server);
    expect(readdirSync(join(directory, 'run'))).toEqual([]);
  });

  test('an HTTP server can listen there, and in a directory that is not its own', async () => {
    const server = createServer((_request, response) => response.end('over HTTP'));
    mkdirSync(join(directory, 'common'), { mode: 0o755 });
    const common = join(directory, 'common', 'b.sock');
    expect((await rejection(listenPrivately(common))).message).toMatch(/mode is 755, not 700/);
    await listenPrivately(common, { server, directory: 'common' });
    expect(modeOf(common)).toBe('600');
    expect(await getOverHttp(common)).toBe('over HTTP');
    server.closeAllConnections();
    await close(server);
    expect(readdirSync(join(directory, 'common'))).toEqual([]);
  });

  test('takes the place of a daemon that was killed, and of nobody who answers', async () => {
    await using killed = await daemon();
    killed.send({});
    await killed.waitForMessages(2);
    expect(await ask()).toBe(String(killed.pid));
    expect(await rejection(listenPrivately(path))).toMatchObject({
      code: 'SNNET_SERVICE_RUNNING',
      operation: 'listenPrivately',
      object: { path },
    });
    expect(await ask()).toBe(String(killed.pid));
    await killed.kill();
    expect(lstatSync(path).isSocket()).toBe(true);
    // What one leaves that dies in the middle.
    mkdirSync(join(directory, 'run', '.snnet-abcdef'));
    writeFileSync(join(directory, 'run', '.snnet-abcdef', 's'), '');
    const server = await listenPrivately(path);
    expect(readdirSync(join(directory, 'run'))).toEqual(['a.sock']);
    await close(server);
  });

  test('of many daemons that begin at once, one gets it', async () => {
    await using killed = await daemon();
    killed.send({});
    await killed.waitForMessages(2);
    await killed.kill();
    const daemons = await Promise.all(Array.from({ length: 5 }, daemon));
    try {
      for (const child of daemons) child.send({});
      const said = await Promise.all(daemons.map((child) => child.waitForMessages(2)));
      const outcomes = said.map(([, outcome]) => outcome);
      expect(outcomes.filter((outcome) => outcome === 'listening')).toHaveLength(1);
      expect(new Set(outcomes)).toEqual(new Set(['listening', 'SNNET_SERVICE_RUNNING']));
      const winner = daemons[outcomes.indexOf('listening')];
      expect(await ask()).toBe(String(winner?.pid));
    } finally {
      await Promise.all(daemons.map((child) => child.kill()));
    }
    const here = Array.from({ length: 5 }, () => listenPrivately(path));
    const servers = (await Promise.allSettled(here)).flatMap((outcome) =>
      outcome.status === 'fulfilled' ? [outcome.value] : [],
    );
    expect(servers).toHaveLength(1);
    await close(servers[0] as Server);
  });

  test('closing leaves alone what is no longer ours', async () => {
    const first = await listenPrivately(path);
    unlinkSync(path);
    const second = await listenPrivately(path);
    second.on('connection', (socket) => socket.end('second'));
    await close(first);
    expect(await ask()).toBe('second');
    await close(second);
    expect(existsSync(path)).toBe(false);
    const third = await listenPrivately(path);
    rmSync(join(directory, 'run'), { recursive: true });
    await close(third);
  });

  test.each<[string, () => void, RegExp]>([
    ['a file', () => writeFileSync(path, ''), /it is a file, not a socket/],
    ['a directory', () => mkdirSync(path), /it is a directory, not a socket/],
    [
      'a planted link',
      () => symlinkSync('/run/x.sock', path),
      /it is a symbolic link, not a socket/,
    ],
    [
      'an open directory',
      () => chmodSync(join(directory, 'run'), 0o750),
      /its mode is 750, not 700/,
    ],
    [
      'a directory for all',
      () => chmodSync(join(directory, 'run'), 0o777),
      /others may write to it/,
    ],
    ['a way there for all', () => chmodSync(directory, 0o777), /others may write to /],
  ])('%s in its way is refused and stays as it is', async (_what, plant, words) => {
    mkdirSync(join(directory, 'run'), { mode: 0o700 });
    plant();
    const before = readdirSync(join(directory, 'run'));
    const error = await rejection(listenPrivately(path));
    expect(error).toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
    expect(error.message).toMatch(words);
    expect(readdirSync(join(directory, 'run'))).toEqual(before);
  });

  test('a link in the place of the directory, and a directory that cannot be, are refused', async () => {
    mkdirSync(join(directory, 'real'), { mode: 0o700 });
    symlinkSync('real', join(directory, 'run'));
    expect((await rejection(listenPrivately(path))).message).toMatch(
      /is a symbolic link, not a dir/,
    );
    writeFileSync(join(directory, 'file'), '');
    const error = await rejection(listenPrivately(join(directory, 'file', 'x', 'a.sock')));
    expect(error).toMatchObject({ code: 'SNNET_STATE_UNSAFE' });
    expect(error.message).toMatch(/ENOTDIR/);
    const nowhere = join(directory, 'nowhere', 'a.sock');
    expect(await rejection(listenPrivately(nowhere, { directory: 'common' }))).toMatchObject({
      code: 'SNNET_STATE_UNSAFE',
    });
  });

  needs('real-root')('what belongs to another user is refused, on the way there too', async () => {
    mkdirSync(join(directory, 'run'), { mode: 0o700 });
    chownSync(join(directory, 'run'), 65534, 65534);
    const refused = async (where: string): Promise<string> =>
      (await rejection(listenPrivately(where))).message;
    expect(await refused(path)).toMatch(/belongs to user 65534/);
    expect(await refused(join(directory, 'run', 'below', 'a.sock'))).toMatch(/user 65534/);
    mkdirSync(join(directory, 'ours'));
    symlinkSync('ours', join(directory, 'link'));
    lchownSync(join(directory, 'link'), 65534, 65534);
    expect(await refused(join(directory, 'link', 'x', 'a.sock'))).toMatch(
      /is a symbolic link of user 65534/,
    );
  });

  test.each<[unknown, RegExp]>([
    ['a.sock', /Expected an absolute path/],
    ['/run/', /Expected an absolute path/],
    ['/run/a\0b', /Expected an absolute path/],
    [undefined, /path, but it is missing/],
    [`/${'x'.repeat(200)}`, /it is 94 bytes too long/],
  ])('%j is no path for a socket', async (bad, words) => {
    expect((await rejection(listenPrivately(bad as string))).message).toMatch(words);
  });

  test('a path that is too long is refused before anything is made', async () => {
    const long = join(directory, 'd'.repeat(60), 'a.sock'.padStart(60, 'x'));
    expect(await rejection(listenPrivately(long))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      field: 'path',
    });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('who is at the other end', () => {
  test('is what the kernel says, for this process and for another', async () => {
    const server = await listenPrivately(path);
    const peers: unknown[] = [];
    server.on('connection', (socket) => {
      peers.push(peerCredentials(socket));
      socket.end();
    });
    await ask();
    const script = `require('node:net').connect(process.argv[1]).resume();`;
    await using child = new NodeChild({ code: script }, { args: [path] });
    await child.finished;
    const us = { uid: process.getuid?.(), gid: process.getgid?.() };
    expect(peers).toEqual([
      { ...us, pid: process.pid },
      { ...us, pid: child.pid },
    ]);
    await close(server);
  });

  test('of a connection that has ended, or that is no unix socket, nobody knows', async () => {
    const server = await listenPrivately(path);
    const accepted = once(server, 'connection') as Promise<Socket>;
    const client = connect(path);
    const socket = await accepted;
    client.destroy();
    socket.destroy();
    expect(() => peerCredentials(socket)).toThrow(/ENOTCONN/);
    await close(server);
    const tcp = createTcpServer();
    await new Promise((resolve) => tcp.listen(0, '127.0.0.1', () => resolve(undefined)));
    const remote = connect((tcp.address() as AddressInfo).port, '127.0.0.1');
    const local = (await once(tcp, 'connection')) as Socket;
    expect(() => peerCredentials(local)).toThrow(/EAFNOSUPPORT/);
    remote.destroy();
    local.destroy();
    await close(tcp);
  });
});
