/** Who is alive: what namespaces, and runtimes, say about it, and when they must not say anything. */
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { ServerHttp2Stream } from 'node:http2';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  anyAlive,
  criWorkloads,
  dockerWorkloads,
  namespacesAlive,
  podmanWorkloads,
} from '#lib/audit/index';
import type { AuditedVnic, Liveness } from '#lib/audit/index';
import { NodeChild, runChild } from '../support/child';
import { createNamespace, inventName, removeNamespaces } from '../support/namespaces';
import { needs } from '../support/reasons';
import { patience, run, until } from '../support/run';
import { Tool } from '../support/tool';
import { rejection } from './helpers/bed';
import { Container } from './helpers/container';

/** As a test machine may be a container itself. */
const namespaces = namespacesAlive({ trustPidNamespace: true });

function vnicIn(netns: number, container = 'c1'): AuditedVnic {
  return {
    ...{
      netns,
      container,
      network: '0123456789ab',
      ifname: 'eth0',
      altName: 'x',
      linkName: 'svn_1',
    },
    ...{
      ifIndex: 7,
      ip: '172.16.0.2',
      tenantId: 't',
      subnetId: 's',
      concId: 'c',
      concIp: '1.2.3.4',
    },
  };
}

/** Numbers of namespaces are given lowest first: nobody gets this one. */
const NOBODYS = 0xf000_0000 + 5_000_000;

/** A namespace of another test may get the number, for as long as that one takes. */
function dies(inode: number): Promise<boolean> {
  return until(async () => !(await isAlive(inode)), 10_000 * patience);
}

async function isAlive(inode: number): Promise<boolean> {
  const answer = await namespaces([vnicIn(inode)], AbortSignal.timeout(30_000));
  return [...answer].length === 1;
}

describe('a namespace', () => {
  // In a user namespace one may not look at others' processes.
  const it = needs('real-root');

  it('is alive while a process is in it; a descriptor alone is nobody', async () => {
    await using container = await Container.start('c1');
    expect(await isAlive(container.inode)).toBe(true);
    const held = openSync(container.netns, 'r');
    await container.kill();
    expect(await dies(container.inode)).toBe(true);
    closeSync(held);
  });

  it('is alive while it is mounted, without any process', async () => {
    const ns = await createNamespace(inventName('mounted'));
    const inode = statSync(ns.path).ino;
    expect(await isAlive(inode)).toBe(true);
    await removeNamespaces([ns.name]);
    expect(await dies(inode)).toBe(true);
  });

  it('is alive while a thread is in it', async () => {
    const code = `const { Kernel } = require('./dist/kernel');
      Kernel.open({ fresh: true }).then(async (kernel) => {
        process.send(await kernel.processes.netnsName());
        process.once('message', () => kernel.close().then(() => process.send('closed')));
      });`;
    await using child = new NodeChild({ code });
    const [name] = await child.waitForMessages(1);
    const inode = Number(/\d+/.exec(String(name))?.[0]);
    expect(await isAlive(inode)).toBe(true);
    child.send({});
    await child.waitForMessages(2);
    expect(await dies(inode)).toBe(true);
  });

  it('is alive while it is mounted where only another process can see it', async () => {
    await using container = await Container.start('c1');
    const { inode } = container;
    const directory = mkdtempSync(join(tmpdir(), 'snnet-liveness-'));
    const file = join(directory, 'netns');
    writeFileSync(file, '');
    const script = `mount --bind ${container.netns} ${file} && echo mounted; exec sleep 100000`;
    const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script];
    const keeper = await Tool.start(argv, { ready: /^mounted$/m });
    await container.kill();
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(`net:[${inode}]`);
    expect(await isAlive(inode)).toBe(true);
    await keeper.stop();
    expect(await dies(inode)).toBe(true);
    rmSync(directory, { recursive: true });
  });

  it('is told from others, and nobody to ask about is nothing to do', async () => {
    await using one = await Container.start('c1');
    await using two = await Container.start('c2');
    await two.kill();
    const asked = [vnicIn(one.inode), vnicIn(two.inode), vnicIn(one.inode, 'c3')];
    const signal = AbortSignal.timeout(30_000);
    expect([...(await namespaces(asked, signal))]).toEqual([asked[0], asked[2]]);
    expect([...(await namespaces([], AbortSignal.abort()))]).toEqual([]);
    await expect(namespaces(asked, AbortSignal.abort())).rejects.toThrow(/abort/);
  });

  const ASK = `const { namespacesAlive } = require('./dist/audit');
    const vnics = [Number(process.argv[1])].map((netns) => ({ netns }));
    (async () => namespacesAlive()(vnics, AbortSignal.timeout(20000)))().then(
      (alive) => console.log('alive', [...alive].length),
      (error) => console.log(error.code, error.message),
    );`;
  const node = (inode: number): string[] => [process.execPath, '-e', ASK, '--', String(inode)];

  it('is not called dead by who may not look at all processes', async () => {
    await using stranger = await Tool.start([
      'setpriv',
      '--reuid',
      '65534',
      '--regid',
      '65534',
      '--clear-groups',
      'sleep',
      '100000',
    ]);
    expect(stranger.running).toBe(true);
    const drop = ['setpriv', '--bounding-set', '-all,+net_admin,+sys_admin', '--no-new-privs'];
    const { stdout } = await run([...drop, '--', ...node(NOBODYS)]);
    expect(stdout).toMatch(/^SNNET_LIVENESS_UNKNOWN .*CAP_SYS_PTRACE/);
    const keep = ['setpriv', '--bounding-set', '-all,+net_admin,+sys_admin,+sys_ptrace'];
    const asked = [...keep, '--no-new-privs', '--', ...node(NOBODYS)];
    expect((await run(asked)).stdout).toBe('alive 0\n');
  });

  it('is not called dead from within a PID namespace', async () => {
    await using container = await Container.start('c1');
    const inside = ['unshare', '--pid', '--fork', '--mount', '--mount-proc'];
    const { stdout } = await run([...inside, ...node(container.inode)]);
    expect(stdout).toMatch(/^SNNET_LIVENESS_UNKNOWN .*PID namespace/);
    const code = ASK.replace('namespacesAlive()', 'namespacesAlive({ trustPidNamespace: true })');
    const { stdout: trusting } = await runChild({ code }, { args: ['1'] });
    expect(trusting).toBe('alive 0\n');
  });

  it('is not called dead where /proc hides processes', async () => {
    const hide = 'mount -t proc -o hidepid=2 proc /proc';
    const drop = 'exec setpriv --bounding-set -all --no-new-privs -- "$@"';
    const argv = ['unshare', '--mount', 'sh', '-c', `${hide}; ${drop}`, 'sh', ...node(1)];
    const { stdout } = await run(argv);
    expect(stdout).toMatch(/^SNNET_LIVENESS_UNKNOWN /);
  });
});

describe('a runtime', () => {
  let directory = '';
  let server: Server | undefined;
  const socketOf = (): string => join(directory, 'runtime.sock');

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'snnet-runtime-'));
  });
  afterEach(async () => {
    await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  async function serve(listener: RequestListener): Promise<string[]> {
    const asked: string[] = [];
    const http = createServer((request, response) => {
      asked.push(`${String(request.method)} ${String(request.url)}`);
      listener(request, response);
    });
    server = http;
    await new Promise<void>((resolve) => http.listen(socketOf(), resolve));
    return asked;
  }

  const ask = async (liveness: Liveness, ids: readonly string[]): Promise<string[]> => {
    const vnics = ids.map((id) => vnicIn(1, id));
    return [...(await liveness(vnics, AbortSignal.timeout(2000)))].map(
      ({ container }) => container,
    );
  };

  test('lists its containers', async () => {
    const long = 'x'.repeat(65);
    const list = [
      { Id: 'a', State: 'running' },
      { Id: 'b', State: 'exited' },
      { Id: long, State: 'running' },
    ];
    const asked = await serve((_request, response) => response.end(JSON.stringify(list)));
    // printf xxx… | sha256sum
    const digest = '9537c5fdf120482f7d58d25e9ed583f5';
    expect(await ask(dockerWorkloads(socketOf()), ['a', 'b', 'c'])).toEqual(['a']);
    expect(await ask(podmanWorkloads(socketOf()), ['b', digest, long])).toEqual([digest]);
    expect(asked).toEqual([
      'GET /containers/json?all=true',
      'GET /v4.0.0/libpod/containers/json?all=true',
    ]);
    expect(await ask(dockerWorkloads('/nowhere'), [])).toEqual([]);
  });

  test.each<[string, RequestListener, RegExp]>([
    ['an error', (_q, r) => r.writeHead(500).end('broken'), /answered 500: broken/],
    ['nonsense', (_q, r) => r.end('<html>'), /JSON/],
    ['half an answer', (_q, r) => r.writeHead(200, { 'content-length': '50' }).end('['), /./],
    ['no list', (_q, r) => r.end('{"message":"x"}'), /not a list/],
    ['nothing', () => undefined, /abort|timeout/i],
  ])('that gives %s says nothing about anybody', async (_what, listener, words) => {
    await serve(listener);
    const provider = dockerWorkloads(socketOf());
    const error = await rejection(
      (async () => provider([vnicIn(1, 'a')], AbortSignal.timeout(300)))(),
    );
    expect(error.message).toMatch(words);
    (server as ReturnType<typeof createServer>).closeAllConnections();
  });

  test('that is not there says nothing either', async () => {
    for (const provider of [dockerWorkloads, podmanWorkloads, criWorkloads]) {
      const error = await rejection(ask(provider(join(directory, 'nowhere')), ['a']));
      expect(error.message).toMatch(/ENOENT/);
    }
  });

  const POD = Buffer.concat([Buffer.from([0x0a, 7, 0x0a, 5]), Buffer.from('pod-1')]);
  const frame = (message: Buffer): Buffer => {
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    return Buffer.concat([head, message]);
  };

  async function serveCri(answer: (stream: ServerHttp2Stream) => void): Promise<unknown[]> {
    const asked: unknown[] = [];
    const http2 = createHttp2Server();
    http2.on('stream', (stream, headers) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', () => undefined);
      stream.once('end', () => {
        asked.push([
          headers[':path'],
          headers['content-type'],
          Buffer.concat(chunks).toString('hex'),
        ]);
        answer(stream);
      });
    });
    server = http2;
    await new Promise<void>((resolve) => http2.listen(socketOf(), resolve));
    return asked;
  }
  const grpc = (stream: ServerHttp2Stream, body: Buffer, status: string): void => {
    stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }));
    stream.end(body);
  };

  test('for Kubernetes lists its pods', async () => {
    const asked = await serveCri((stream) => grpc(stream, frame(POD), '0'));
    expect(await ask(criWorkloads(socketOf()), ['pod-1', 'pod-2'])).toEqual(['pod-1']);
    const path = '/runtime.v1.RuntimeService/ListPodSandbox';
    expect(asked).toEqual([[path, 'application/grpc', '0000000000']]);
  });

  test.each<[string, (stream: ServerHttp2Stream) => void, RegExp]>([
    ['a gRPC error', (stream) => grpc(stream, Buffer.alloc(0), '12'), /gRPC status 12/],
    ['half a message', (stream) => grpc(stream, frame(POD).subarray(0, 8), '0'), /not one whole/],
    [
      'another protocol',
      (stream) => stream.respond({ ':status': 404 }, { endStream: true }),
      /404/,
    ],
    ['nothing', () => undefined, /abort|timeout/i],
    ['a broken connection', (stream) => stream.session?.destroy(), /./],
  ])('for Kubernetes that gives %s says nothing about anybody', async (_what, answer, words) => {
    await serveCri(answer);
    const provider = criWorkloads(socketOf());
    const error = await rejection(
      (async () => provider([vnicIn(1, 'a')], AbortSignal.timeout(300)))(),
    );
    expect(error.message).toMatch(words);
  });
});

test('several providers: alive for one is alive, and each must know', async () => {
  const knows =
    (...ids: readonly string[]): Liveness =>
    (vnics) =>
      vnics.filter(({ container }) => ids.includes(container));
  const vnics = ['a', 'b', 'c'].map((id) => vnicIn(1, id));
  const signal = AbortSignal.timeout(1000);
  const alive = await anyAlive(knows('a'), knows('c', 'a'))(vnics, signal);
  expect([...alive].map(({ container }) => container)).toEqual(['a', 'c']);
  const failing: Liveness = () => Promise.reject(new Error('not today'));
  expect(
    (await rejection((async () => anyAlive(knows('a'), failing)(vnics, signal))())).message,
  ).toBe('not today');
});
