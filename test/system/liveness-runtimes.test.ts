/** What real runtimes say about who is alive: containers without a network, one of them killed. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { criWorkloads, dockerWorkloads, podmanWorkloads } from '#lib/audit/index';
import type { AuditedVnic, Liveness } from '#lib/audit/index';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { patience, until } from '../support/run';
import { PAUSE, startContainerd } from './helpers/containerd';
import { makeImageArchive } from './helpers/image-archive';
import { RuntimeBed } from './helpers/runtime-bed';

const IMAGE = 'localhost/bb:1';

/** Which of these containers the provider calls alive. */
async function aliveAmong(liveness: Liveness, ids: readonly string[]): Promise<string[]> {
  const vnics = ids.map((container) => ({ container }) as AuditedVnic);
  const alive = await liveness(vnics, AbortSignal.timeout(20_000 * patience));
  return [...alive].map(({ container }) => container);
}

/** As a crash would: neither the runtime nor anybody else was asked. */
async function killProcess(pid: string): Promise<void> {
  process.kill(Number(pid), 'SIGKILL');
  await until(() => !existsSync(`/proc/${pid}/ns`), 5000);
}

async function expectOnly(liveness: Liveness, alive: string, killed: string): Promise<void> {
  const isSeen = async (): Promise<boolean> =>
    (await aliveAmong(liveness, [alive, killed, 'nobody'])).join() === alive;
  expect(await until(isSeen, 30_000 * patience)).toBe(true);
}

needs(
  'real-root',
  'podman',
  'busybox',
  'vxlan',
)(
  'podman: a container whose process was killed is dead',
  async () => {
    await using bed = await RuntimeBed.open();
    const file = (name: string): string => join(bed.directory, name);
    const [nofile, nproc] = [limitOf('Max open files'), limitOf('Max processes')];
    writeFileSync(
      file('containers.conf'),
      `[containers]
default_ulimits = ["nofile=${nofile}:${nofile}", "nproc=${nproc}:${nproc}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
`,
    );
    writeFileSync(
      file('storage.conf'),
      `[storage]\ndriver = "vfs"\ngraphroot = "${file('store')}"\nrunroot = "/run/podman"\n`,
    );
    const env = {
      CONTAINERS_CONF: file('containers.conf'),
      CONTAINERS_STORAGE_CONF: file('storage.conf'),
    };
    const podman = async (words: string): Promise<string> =>
      (await bed.run(['podman', ...words.split(' ')], { env })).stdout.trim();
    await podman(`import ${await bed.rootfs()} ${IMAGE}`);
    const begin = (name: string) =>
      podman(
        `run -d --name ${name} --net none --cgroup-parent /${bed.cgroup} ${IMAGE} /bin/sleep 1000`,
      );
    const ids = [
      await begin('p1'),
      await begin('p2'),
      await podman(`create ${IMAGE} /bin/sleep 1`),
    ];
    const socket = file('podman.sock');
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    const serve = [
      'podman',
      '--log-level=info',
      'system',
      'service',
      '--time=0',
      `unix://${socket}`,
    ];
    await bed.start(['env', ...variables, ...serve], /API service listening/);
    const liveness = podmanWorkloads(socket);
    // One that was made and not started may be just about to.
    expect(await aliveAmong(liveness, [...ids, 'nobody'])).toEqual(ids);
    await killProcess(await podman('inspect -f {{.State.Pid}} p2'));
    await expectOnly(liveness, ids[0] as string, ids[1] as string);
  },
  120_000,
);

needs(
  'real-root',
  'docker',
  'busybox',
  'vxlan',
)(
  'docker: a container whose process was killed is dead',
  async () => {
    await using bed = await RuntimeBed.open();
    const file = (name: string): string => join(bed.directory, name);
    const socket = file('docker.sock');
    const places = ['--data-root', file('data'), '--exec-root', file('exec'), '-p', file('pid')];
    const alone = ['--iptables=false', '--ip6tables=false', '--bridge=none'];
    const daemon = ['dockerd', '-s', 'vfs', ...alone, ...places, '-H', `unix://${socket}`];
    await bed.start(daemon, /API listen on/);
    const docker = async (words: string): Promise<string> =>
      (
        await bed.run(['/usr/bin/docker', '-H', `unix://${socket}`, ...words.split(' ')])
      ).stdout.trim();
    await docker(`import ${await bed.rootfs()} ${IMAGE}`);
    const begin = (name: string) =>
      docker(
        `run -d --name ${name} --net none --cgroup-parent /${bed.cgroup} ${IMAGE} /bin/sleep 1000`,
      );
    const ids = [
      await begin('d1'),
      await begin('d2'),
      await docker(`create ${IMAGE} /bin/sleep 1`),
    ];
    const liveness = dockerWorkloads(socket);
    expect(await aliveAmong(liveness, [...ids, 'nobody'])).toEqual(ids);
    await killProcess(await docker('inspect -f {{.State.Pid}} d2'));
    await expectOnly(liveness, ids[0] as string, ids[1] as string);
    await docker('rm -f d1 d2');
  },
  120_000,
);

needs(
  'real-root',
  'containerd',
  'cni-plugins',
  'busybox',
  'vxlan',
)(
  'containerd: of a pod whose process was killed the namespace stays, and the audit takes the VNIC',
  async () => {
    await using bed = await RuntimeBed.open();
    bed.network('web', { ipam: bed.hostLocal(20, 21) });
    const socket = await startWithPause(bed);
    const { call, close } = connectCri(socket);
    try {
      const [first, second] = [await call.run(bed, 'pod1'), await call.run(bed, 'pod2')];
      const liveness = criWorkloads(socket);
      expect(await aliveAmong(liveness, [first, second, 'nobody'])).toEqual([first, second]);
      const tasks = (await bed.run(['ctr', '-a', socket, '-n', 'k8s.io', 'task', 'ls'])).stdout;
      const line = tasks.split('\n').find((text) => text.startsWith(second));
      await killProcess(line?.split(/\s+/)[1] ?? '');
      await expectOnly(liveness, first, second);

      const audit = async (who: string): Promise<unknown> => {
        const node = ['--mode', 'vxlan', '--compute-net', '198.51.100.0/24', '--allow-veth-uplink'];
        const main = [process.execPath, join(PACKAGE_ROOT, 'dist', 'cli', 'main.js')];
        const words = ['cni', 'audit', ...node, '--liveness', who, '--audit-grace', '0', '--json'];
        return JSON.parse((await bed.run([...main, ...words])).stdout) as unknown;
      };
      expect(await audit('namespaces-here')).toMatchObject({ seen: 2, alive: 2, removed: [] });
      expect(await audit(`cri:${socket}`)).toMatchObject({
        ...{ seen: 2, alive: 1 },
        removed: [{ container: second, ip: '172.16.1.21' }],
        errors: [],
      });
      expect(await bed.vnics()).toHaveLength(1);
      for (const id of [first, second]) await call.remove(id);
      expect(await bed.isEmpty()).toBe(true);
    } finally {
      close();
    }
  },
  120_000,
);

async function startWithPause(bed: RuntimeBed): Promise<string> {
  const socket = await startContainerd(bed);
  const rootfs = await bed.rootfs();
  const entrypoint = ['/bin/sleep', '1000'];
  const archive = await makeImageArchive(bed.directory, { name: PAUSE, rootfs, entrypoint });
  const load = ['-n', 'k8s.io', 'images', 'import', '--snapshotter', 'native', archive];
  await bed.run(['ctr', '-a', socket, ...load]);
  return socket;
}

/** Podman asks for more than root without CAP_SYS_RESOURCE gets: here for what this process may have. */
function limitOf(name: string): string {
  const [, most = ''] =
    new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
  const largest = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
  const limit = most === 'unlimited' ? largest : Number(most);
  return String(name === 'Max processes' ? Math.min(limit, largest) : limit);
}

/** What Kubernetes asks of a runtime, by the client that is not ours. */
function connectCri(socket: string) {
  const proto = join(PACKAGE_ROOT, 'test', 'fixtures', 'cri.proto');
  const loaded = loadPackageDefinition(loadSync(proto, { keepCase: true, defaults: true }));
  const { v1 } = loaded['runtime'] as unknown as {
    v1: { RuntimeService: new (...words: readonly unknown[]) => Client };
  };
  const client = new v1.RuntimeService(`unix://${socket}`, credentials.createInsecure());
  const ask = (method: string, request: object): Promise<Readonly<Record<string, unknown>>> =>
    new Promise((resolve, reject) => {
      type Done = (error: Error | null, reply: Readonly<Record<string, unknown>>) => void;
      const methods = client as unknown as Record<string, (request: object, done: Done) => void>;
      methods[method]?.(request, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(new Error(error.message));
      });
    });
  const call = {
    run: async (bed: RuntimeBed, name: string): Promise<string> => {
      const config = {
        metadata: { name, uid: `uid-${name}`, namespace: 'ns1', attempt: 0 },
        log_directory: join(bed.directory, 'logs'),
        linux: { cgroup_parent: `/${bed.cgroup}` },
      };
      return String((await ask('RunPodSandbox', { config }))['pod_sandbox_id']);
    },
    remove: async (id: string): Promise<void> => {
      await ask('StopPodSandbox', { pod_sandbox_id: id });
      await ask('RemovePodSandbox', { pod_sandbox_id: id });
    },
  };
  return { call, close: () => client.close() };
}
