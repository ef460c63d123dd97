/** Containerd, by its own client and as Kubernetes drives it, with our plugin. */
import { join } from 'node:path';
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { PAUSE, startContainerd } from './helpers/containerd';
import { makeImageArchive } from './helpers/image-archive';
import { RuntimeBed } from './helpers/runtime-bed';

const containerdTest = needs('real-root', 'containerd', 'cni-plugins', 'busybox', 'vxlan');
const IMAGE = 'localhost/bb:1';

class Containerd {
  readonly #bed: RuntimeBed;
  readonly socketPath: string;

  private constructor(bed: RuntimeBed, socketPath: string) {
    this.#bed = bed;
    this.socketPath = socketPath;
  }

  static async start(bed: RuntimeBed): Promise<Containerd> {
    const socketPath = await startContainerd(bed);
    const containerd = new Containerd(bed, socketPath);
    const rootfs = await bed.rootfs();
    for (const [name, entrypoint] of [
      [IMAGE, ['/bin/sh']],
      [PAUSE, ['/bin/sleep', '1000']],
    ] as const) {
      const archive = await makeImageArchive(bed.directory, { name, rootfs, entrypoint });
      // Kubernetes has a namespace of its own.
      for (const namespace of ['default', 'k8s.io']) {
        await containerd.ctr([
          '-n',
          namespace,
          'images',
          'import',
          '--snapshotter',
          'native',
          archive,
        ]);
      }
    }
    return containerd;
  }

  async ctr(words: readonly string[]): Promise<string> {
    return (await this.#bed.run(['ctr', '-a', this.socketPath, ...words])).stdout;
  }
}

containerdTest(
  'ctr run --cni: the container has its network, and takes it along',
  async () => {
    await using bed = await RuntimeBed.open();
    bed.network('web', { ipam: bed.hostLocal(20, 30) });
    const containerd = await Containerd.start(bed);
    // Where ctr looks is fixed; the machine has both for itself.
    await bed.run(['mount', '--bind', bed.networks, '/etc/cni/net.d']);
    await bed.run(['mount', '--bind', bed.plugins, '/opt/cni/bin']);
    const script = 'ip -o address show eth0; ip route; ping -c1 -W2 172.16.1.20';
    const words = [
      'run',
      '--rm',
      '--cni',
      '--snapshotter',
      'native',
      '--cgroup',
      `/${bed.cgroup}/c1`,
    ];
    const said = await containerd.ctr([...words, IMAGE, 'c1', '/bin/sh', '-c', script]);
    expect(said).toContain('inet 172.16.1.20/24');
    expect(said).toContain('default via 172.16.1.1 dev eth0');
    expect(said).toContain('0% packet loss');
    expect(bed.taken('web')).toEqual([]);
    expect(await bed.isEmpty()).toBe(true);
    expect(bed.events).toEqual(['tunnel-add', 'tunnel-del']);
  },
  120_000,
);

interface PodStatus {
  readonly status: { readonly state: number; readonly network: { readonly ip: string } };
}

/** One call of the container runtime interface. */
type Cri = (method: string, request: object) => Promise<unknown>;

function connectCri(socketPath: string): { cri: Cri; close: () => void } {
  const file = join(PACKAGE_ROOT, 'test', 'fixtures', 'cri.proto');
  const loaded = loadPackageDefinition(loadSync(file, { keepCase: true, defaults: true }));
  const { v1 } = loaded['runtime'] as unknown as {
    v1: { RuntimeService: new (...words: readonly unknown[]) => Client };
  };
  const client = new v1.RuntimeService(`unix://${socketPath}`, credentials.createInsecure());
  const cri: Cri = (method, request) =>
    new Promise((resolve, reject) => {
      const call = (client as unknown as Record<string, unknown>)[method] as (
        request: object,
        done: (error: ServiceError | null, reply: unknown) => void,
      ) => void;
      call.call(client, request, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(new Error(error.message));
      });
    });
  return { cri, close: () => client.close() };
}

function pod(bed: RuntimeBed, name: string): object {
  return {
    metadata: { name, uid: `uid-${name}`, namespace: 'ns1', attempt: 0 },
    hostname: name,
    log_directory: join(bed.directory, 'logs'),
    dns_config: { servers: ['10.96.0.10'], searches: ['cluster.local'], options: ['ndots:5'] },
    port_mappings: [{ protocol: 0, container_port: 80, host_port: 8080, host_ip: '' }],
    annotations: { 'kubernetes.io/ingress-bandwidth': '10M' },
    linux: { cgroup_parent: `/${bed.cgroup}` },
  };
}

containerdTest(
  'pods as Kubernetes makes them: run, stop, remove',
  async () => {
    await using bed = await RuntimeBed.open();
    const capabilities = { portMappings: true, bandwidth: true, dns: true };
    bed.network('web', { capabilities, ipam: bed.hostLocal(20, 21) });
    const containerd = await Containerd.start(bed);
    const { cri, close } = connectCri(containerd.socketPath);
    try {
      const ids: string[] = [];
      for (const name of ['pod1', 'pod2']) {
        const reply = (await cri('RunPodSandbox', { config: pod(bed, name) })) as {
          pod_sandbox_id: string;
        };
        ids.push(reply.pod_sandbox_id);
      }
      const status = async (id: string): Promise<PodStatus['status']> =>
        ((await cri('PodSandboxStatus', { pod_sandbox_id: id })) as PodStatus).status;
      const addresses = await Promise.all(ids.map(async (id) => (await status(id)).network.ip));
      expect(addresses).toEqual(['172.16.1.20', '172.16.1.21']);
      await expect(cri('RunPodSandbox', { config: pod(bed, 'pod3') })).rejects.toThrow(
        /no IP addresses available/,
      );
      expect(await bed.vnics()).toHaveLength(2);
      for (const id of ids) {
        await cri('StopPodSandbox', { pod_sandbox_id: id });
        // Kubernetes stops more than once, and removal takes the network off again.
        await cri('StopPodSandbox', { pod_sandbox_id: id });
        await cri('RemovePodSandbox', { pod_sandbox_id: id });
      }
      expect(bed.taken('web')).toEqual([]);
      expect(await bed.isEmpty()).toBe(true);
      expect(bed.events).toEqual(['tunnel-add', 'tunnel-del']);
    } finally {
      close();
    }
  },
  120_000,
);
