/** A real dockerd on each of two nodes: containers on tenants' bridges, joined through a concentrator. */
import { Cnci, ComputeNode } from '#lib/index';
import type { ContainerNetwork, Vnic, VnicConfig } from '#lib/index';
import { needs } from '../../support/reasons';
import { sleep, until } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import type { Namespace } from '../../support/sandbox';
import { ipLinks } from '../../support/oracle';
import { openUnderlay, UNDERLAY } from '../../support/underlay';
import { Dockerd, IDLE, IMAGE, placed } from '../../support/dockerd';
import type { Place } from '../../support/dockerd';

const withDocker = needs('docker', 'vxlan', 'real-root');
const MINUTE_MS = 60_000;
const SUBNET = '172.16.1.0/24';
const MANY = 50;
const AT_ONCE = 5;

type Label = 'cn1' | 'cn2';
interface Host {
  readonly ns: Namespace;
  readonly node: ComputeNode;
  readonly dockerd: Dockerd;
}

/** Two nodes and a concentrator; what a launcher knows. */
class Tenant implements AsyncDisposable {
  readonly box: Sandbox;
  readonly cnci: Cnci;
  readonly concIp: string;
  readonly hosts: Readonly<Record<Label, Host>>;

  private constructor(box: Sandbox, cnci: Cnci, concIp: string, hosts: Record<Label, Host>) {
    this.box = box;
    this.cnci = cnci;
    this.concIp = concIp;
    this.hosts = hosts;
  }

  static async open(): Promise<Tenant> {
    const box = await Sandbox.open({ scope: 'manual' });
    const nodes = await openUnderlay(box, ['cn1', 'cn2', 'cnci']);
    const common = { mode: 'vxlan', computeNets: [UNDERLAY], allowVethUplink: true } as const;
    const host = async (label: Label): Promise<Host> => {
      const ns = nodes[label];
      const node = await ComputeNode.open({ ...common, id: label, netns: ns.path });
      return { ns, node, dockerd: await Dockerd.open(ns) };
    };
    const cnci = await Cnci.open({
      ...common,
      id: 'cnci-alpha',
      tenantId: 'alpha',
      netns: nodes.cnci.path,
      dhcp: false,
    });
    const hosts = { cn1: await host('cn1'), cn2: await host('cn2') };
    return new Tenant(box, cnci, nodes.cnci.address, hosts);
  }

  config(last: number): VnicConfig {
    const hex = last.toString(16).padStart(2, '0');
    return {
      role: 'container',
      tenantId: 'alpha',
      subnetId: 'web',
      concId: 'cnci-alpha',
      concIp: this.concIp,
      vnicId: `vnic-${String(last)}`,
      vnicIp: `172.16.1.${String(last)}`,
      vnicMac: `02:00:ac:10:01:${hex}`,
      subnet: SUBNET,
      subnetKey: 101,
    };
  }

  /** The dance of a launcher, up to `docker run`: who must know what is told. */
  async place(label: Label, last: number): Promise<Place & { readonly vnic: Vnic }> {
    const { node, dockerd } = this.hosts[label];
    const { vnic, event, container } = await node.createVnic(this.config(last));
    if (event !== undefined) await this.cnci.addRemoteSubnet(toSubnet(event));
    if (container?.kind === 'container-network-add') await dockerd.createNetwork(container);
    return {
      name: `c${String(last)}`,
      network: container!.subnetId,
      ip: vnic.ip,
      mac: vnic.mac!,
      vnic,
    };
  }

  /** The dance backwards, after `docker rm`. */
  async leave(label: Label, last: number): Promise<ContainerNetwork | undefined> {
    const { node, dockerd } = this.hosts[label];
    const { event, container } = await node.destroyVnic(this.config(last));
    if (event !== undefined) await this.cnci.delRemoteSubnet(toSubnet(event));
    if (container !== undefined) await dockerd.docker('network', 'rm', container.subnetId);
    return container;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { node, dockerd } of Object.values(this.hosts)) {
      await dockerd.close();
      await node.resetNetwork();
      await node.settle();
      await node.close();
    }
    await this.cnci.shutdown();
    await this.cnci.close();
    await this.box.close();
  }
}

function toSubnet({
  subnet,
  subnetKey,
  cnIp,
}: {
  subnet: string;
  subnetKey: number;
  cnIp: string;
}): {
  subnet: string;
  subnetKey: number;
  cnIp: string;
} {
  return { subnet, subnetKey, cnIp };
}

/** Works on all of them, some at a time. */
async function crowd<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  const rest = [...items];
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

let tenant: Tenant | undefined;

async function opened(): Promise<Tenant> {
  tenant ??= await Tenant.open();
  return tenant;
}

afterAll(async () => {
  await tenant?.[Symbol.asyncDispose]();
}, 2 * MINUTE_MS);

describe('docker on two nodes', () => {
  withDocker(
    'containers get address, MAC, MTU and gateway as asked, and reach each other through the tunnel',
    async () => {
      const all = await opened();
      const { cn1, cn2 } = all.hosts;
      const five = await all.place('cn1', 5);
      const six = await all.place('cn2', 6);
      await cn1.dockerd.run(five);
      await cn2.dockerd.run(six);
      const link = await cn1.dockerd.inside('c5', 'ip', '-o', 'link', 'show', 'eth0');
      expect(link).toContain(`mtu ${String(five.vnic.mtu)}`);
      expect(link).toContain(`link/ether ${five.mac}`);
      const address = await cn1.dockerd.inside('c5', 'ip', '-o', '-4', 'addr', 'show', 'eth0');
      expect(address).toContain('172.16.1.5/24');
      const routes = await cn1.dockerd.inside('c5', 'ip', 'route');
      expect(routes).toContain('default via 172.16.1.1 dev eth0');
      // No network of docker's own beside it.
      expect(await cn1.dockerd.inside('c5', 'ls', '/sys/class/net')).toBe('eth0\nlo');
      expect(await cn1.dockerd.ping('c5', '172.16.1.6')).toBe(2);
      expect(await cn2.dockerd.ping('c6', '172.16.1.5')).toBe(2);
      expect(await cn1.dockerd.ping('c5', '172.16.1.1')).toBe(2);
    },
    MINUTE_MS,
  );

  withDocker(
    'stop, start, restart and rm: the VNIC comes home and goes again',
    async () => {
      const all = await opened();
      const { ns, dockerd } = all.hosts.cn1;
      const { vnic } = await all.place('cn1', 5);
      const isHome = async (): Promise<boolean> =>
        (await ipLinks(ns)).some(({ ifname }) => ifname === vnic.interfaceName);
      expect(await isHome()).toBe(false);
      await dockerd.docker('stop', 'c5');
      expect(await isHome()).toBe(true);
      await dockerd.docker('start', 'c5');
      expect(await isHome()).toBe(false);
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
      await dockerd.docker('restart', 'c5');
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
      await dockerd.docker('rm', '-f', 'c5');
      expect(await isHome()).toBe(true);
      await dockerd.run(await all.place('cn1', 5));
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
    },
    MINUTE_MS,
  );

  withDocker(
    'docker says why it refuses: no VNIC, another MAC, an address that is in use',
    async () => {
      const all = await opened();
      const { dockerd } = all.hosts.cn1;
      const five = await all.place('cn1', 5);
      const run = (place: Partial<Place>): Promise<string> => {
        const words = placed({ ...five, name: 'other', ...place });
        return dockerd.refusal('run', '--rm', ...words, IMAGE, 'true');
      };
      expect(await run({})).toContain('172.16.1.5 is in use');
      expect(await run({ ip: '172.16.1.7' })).toContain('createVnic comes before docker run');
      await all.place('cn1', 7);
      const mac = '02:42:00:00:00:07';
      expect(await run({ ip: '172.16.1.7', mac })).toContain('has MAC 02:00:ac:10:01:07');
      const words = ['--net', five.network, IMAGE, 'true'];
      expect(await dockerd.refusal('run', '--rm', ...words)).toContain('docker run --ip');
      // What was refused is asked for again.
      const seven = await all.place('cn1', 7);
      const words7 = [...placed(seven), IMAGE, 'ip', '-4', 'address', 'show', 'eth0'];
      expect(await dockerd.docker('run', '--rm', ...words7)).toContain('inet 172.16.1.7/24');
      await dockerd.docker('rm', '-f', 'other');
      await all.leave('cn1', 7);
    },
    MINUTE_MS,
  );

  withDocker(
    'the plugin is killed: containers stay connected, and the next plugin knows them',
    async () => {
      const all = await opened();
      const { dockerd } = all.hosts.cn1;
      await dockerd.killPlugin();
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
      await dockerd.startPlugin();
      await dockerd.docker('restart', 'c5');
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
    },
    MINUTE_MS,
  );

  withDocker(
    'the plugin is killed while docker starts containers: they start, or do when asked again',
    async () => {
      const all = await opened();
      const { dockerd } = all.hosts.cn1;
      for (const [round, pause] of [100, 200, 300].entries()) {
        const last = 20 + round;
        const place = await all.place('cn1', last);
        const started = dockerd.run(place).catch((error: unknown) => String(error));
        await sleep(pause);
        await dockerd.killPlugin();
        await dockerd.startPlugin();
        // Docker asks again where it could not connect; what broke off it asks again without its words.
        if ((await started).includes('the request is empty'))
          await dockerd.docker('start', place.name);
        expect(await dockerd.ping(place.name, '172.16.1.6')).toBe(2);
        await dockerd.docker('rm', '-f', place.name);
        await all.leave('cn1', last);
      }
    },
    2 * MINUTE_MS,
  );

  withDocker(
    'the daemon is restarted, and killed: its containers start on their VNICs',
    async () => {
      const all = await opened();
      const { dockerd } = all.hosts.cn1;
      await dockerd.stopDaemon();
      await dockerd.startDaemon();
      await dockerd.docker('start', 'c5');
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);

      await dockerd.stopDaemon('SIGKILL');
      await dockerd.killPlugin();
      await dockerd.startPlugin();
      await dockerd.startDaemon();
      // The end of a container that nobody waited for may have taken its VNIC along.
      await all.place('cn1', 5);
      await dockerd.docker('start', 'c5');
      expect(await dockerd.ping('c5', '172.16.1.6')).toBe(2);
    },
    2 * MINUTE_MS,
  );

  withDocker(
    'a daemon and its plugin start in any order, and containers live on without both',
    async () => {
      const all = await opened();
      const { dockerd } = all.hosts.cn2;
      await dockerd.stopDaemon();
      await dockerd.killPlugin();
      // It asks for the plugin of the network that it remembers, and waits.
      const starting = dockerd.startDaemon('--live-restore');
      await dockerd.startPlugin();
      await starting;
      await dockerd.docker('start', 'c6');
      await dockerd.stopDaemon();
      await dockerd.killPlugin();
      expect(await all.hosts.cn1.dockerd.ping('c5', '172.16.1.6')).toBe(2);
      await dockerd.startPlugin();
      await dockerd.startDaemon('--live-restore');
      expect(await dockerd.ping('c6', '172.16.1.5')).toBe(2);
      await dockerd.docker('restart', 'c6');
      expect(await dockerd.ping('c6', '172.16.1.5')).toBe(2);
    },
    2 * MINUTE_MS,
  );

  /** Docker stops a container while no plugin is there: it waits a minute, and tells nobody. */
  async function stopUnheard(all: Tenant): Promise<void> {
    const { dockerd } = all.hosts.cn2;
    const eight = await all.place('cn2', 8);
    await dockerd.run(eight);
    await dockerd.killPlugin();
    await dockerd.docker('stop', 'c8');
    await dockerd.startPlugin();
    await dockerd.docker('start', 'c8');
    expect(await dockerd.ping('c8', '172.16.1.1')).toBe(2);
    await dockerd.docker('rm', '-f', 'c8');
    await all.leave('cn2', 8);
  }

  /** Many containers at once, reached from the other node. */
  async function runMany(all: Tenant): Promise<void> {
    const { cn1, cn2 } = all.hosts;
    const numbers = Array.from({ length: MANY }, (_, index) => 100 + index);
    await crowd(numbers, async (last) => cn1.dockerd.run(await all.place('cn1', last)));
    const sweep = numbers.map((last) => `172.16.1.${String(last)}`).join(' ');
    const script = `for a in ${sweep}; do ping -q -c1 -W2 $a >/dev/null && echo $a; done`;
    const reached = await cn2.dockerd.inside('c6', 'sh', '-c', script);
    expect(reached.split('\n')).toHaveLength(MANY);
    const names = numbers.map((last) => `c${String(last)}`);
    await cn1.dockerd.docker('rm', '-f', ...names);
    for (const last of numbers) expect(await all.leave('cn1', last)).toBeUndefined();
  }

  withDocker(
    `${String(MANY)} containers, each on its own VNIC, all reached from a node that is without its plugin`,
    async () => {
      const all = await opened();
      await Promise.all([runMany(all), stopUnheard(all)]);
    },
    3 * MINUTE_MS,
  );

  withDocker(
    'the last VNIC goes, and docker’s network with it',
    async () => {
      const all = await opened();
      for (const [label, last] of [
        ['cn1', 5],
        ['cn2', 6],
      ] as const) {
        const { ns, node, dockerd } = all.hosts[label];
        await dockerd.docker('rm', '-f', `c${String(last)}`);
        expect(await all.leave(label, last)).toMatchObject({ kind: 'container-network-del' });
        expect(await dockerd.docker('network', 'ls', '-q', '--filter', 'driver=snnet')).toBe('');
        await node.settle();
        const isClean = async (): Promise<boolean> =>
          (await ipLinks(ns)).every(({ ifname }) => !/^s(br|gt|vn|vp)_|^docker/.test(ifname));
        expect(await until(isClean, 5000)).toBe(true);
      }
    },
    MINUTE_MS,
  );
});

withDocker(
  'a plugin on a port, found by its file, while another has the usual socket',
  async () => {
    const all = await opened();
    const { node, dockerd } = all.hosts.cn1;
    const options = ['--name', 'ciao', '--address', 'tcp://127.0.0.1:9999'];
    const second = await dockerd.startPlugin(options);
    const { vnic, container } = await node.createVnic(all.config(9));
    await dockerd.createNetwork(container!, 'ciao');
    const place = { name: 'c9', network: container!.subnetId, ip: vnic.ip, mac: vnic.mac! };
    const script = [
      '--rm',
      ...placed(place),
      IMAGE,
      ...IDLE.slice(0, 2),
      'cat /sys/class/net/eth0/address',
    ];
    expect(await dockerd.docker('run', ...script)).toBe(vnic.mac);
    await dockerd.docker('network', 'rm', container!.subnetId);
    await node.destroyVnic(all.config(9));
    await second.stop();
  },
  MINUTE_MS,
);
