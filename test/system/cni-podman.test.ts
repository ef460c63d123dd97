/** Podman puts its containers onto tenants' networks by our plugin. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { needs } from '../support/reasons';
import type { RunOptions, RunResult } from '../support/run';
import { RuntimeBed } from './helpers/runtime-bed';

const podmanTest = needs('real-root', 'podman', 'cni-plugins', 'busybox', 'vxlan');
const IMAGE = 'localhost/bb:1';

type Podman = (words: string, options?: RunOptions) => Promise<RunResult>;

/** Podman asks for more than root without CAP_SYS_RESOURCE gets: here for what this process may have. */
function ulimits(): string {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const mostProcesses = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
  const hard = (name: string): number => {
    const [, most] = new RegExp(`^${name} +\\S+ +(\\S+)`, 'm').exec(limits) ?? [];
    return most === 'unlimited' ? mostProcesses : Number(most);
  };
  const nofile = String(hard('Max open files'));
  const nproc = String(Math.min(hard('Max processes'), mostProcesses));
  return `["nofile=${nofile}:${nofile}", "nproc=${nproc}:${nproc}"]`;
}

/** Podman with everything of its own on this machine, and an image of busybox. */
async function install(bed: RuntimeBed): Promise<Podman> {
  const file = (name: string): string => join(bed.directory, name);
  writeFileSync(
    file('containers.conf'),
    `[containers]
default_ulimits = ${ulimits()}
[network]
network_backend = "cni"
cni_plugin_dirs = ["${bed.plugins}"]
network_config_dir = "${bed.networks}"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
`,
  );
  const store = `[storage]\ndriver = "vfs"\ngraphroot = "${file('store')}"\nrunroot = "/run/podman"\n`;
  writeFileSync(file('storage.conf'), store);
  const env = {
    CONTAINERS_CONF: file('containers.conf'),
    CONTAINERS_STORAGE_CONF: file('storage.conf'),
  };
  const podman: Podman = (words, options = {}) =>
    bed.run(['podman', ...words.split(' ')], { env, ...options });
  await podman(`import ${await bed.rootfs()} ${IMAGE}`);
  return podman;
}

const runWords = (bed: RuntimeBed, name: string, words: string): string =>
  `run -d --name ${name} --cgroup-parent /${bed.cgroup} ${words} ${IMAGE} /bin/sleep 1000`;

podmanTest(
  'containers get the address and the MAC that they ask for, and keep them',
  async () => {
    await using bed = await RuntimeBed.open();
    bed.network('web', { capabilities: { ips: true, mac: true, portMappings: true } });
    const podman = await install(bed);
    const mac = '02:00:0a:4d:00:09';
    await podman(runWords(bed, 'p1', `--net web --ip 172.16.1.9 --mac-address ${mac} -p 8080:80`));
    await podman(runWords(bed, 'p2', '--net web --ip 172.16.1.10'));
    const look = async (): Promise<void> => {
      const { stdout } = await podman('exec p1 ip -o address show eth0');
      expect(stdout).toContain('inet 172.16.1.9/24');
      expect((await podman('exec p1 ip -o link show eth0')).stdout).toContain(mac);
      expect((await podman('exec p1 ip route')).stdout).toContain(
        'default via 172.16.1.1 dev eth0',
      );
      expect((await podman('exec p1 ping -c1 -W2 172.16.1.10')).stdout).toContain('0% packet loss');
    };
    await look();
    await podman('network reload p1');
    await look();
    await podman('restart -t 0 p1');
    await look();
    await podman('rm -f -t 0 p1 p2');
    expect(await bed.isEmpty()).toBe(true);
    expect(bed.events).toEqual(['tunnel-add', 'tunnel-del']);
  },
  120_000,
);

podmanTest(
  'host-local gives the addresses, and gets them back',
  async () => {
    await using bed = await RuntimeBed.open();
    bed.network('web', { ipam: bed.hostLocal(20, 21) });
    const podman = await install(bed);
    await podman(runWords(bed, 'p1', '--net web'));
    await podman(runWords(bed, 'p2', '--net web'));
    expect(bed.taken('web').sort()).toEqual(['172.16.1.20', '172.16.1.21']);
    expect((await podman('exec p1 ping -c1 -W2 172.16.1.21')).stdout).toContain('0% packet loss');
    const full = await podman(runWords(bed, 'p3', '--net web'), { check: false });
    expect(full.status).not.toBe(0);
    expect(full.stderr).toMatch(/no IP addresses available/);
    expect(await bed.vnics()).toHaveLength(2);
    await podman('rm -f -t 0 p1 p2 p3');
    expect(bed.taken('web')).toEqual([]);
    expect(await bed.isEmpty()).toBe(true);
  },
  120_000,
);

podmanTest(
  'a container that cannot have its address says why, and leaves nothing',
  async () => {
    await using bed = await RuntimeBed.open();
    bed.network('web', { capabilities: { ips: true } });
    const podman = await install(bed);
    await podman(runWords(bed, 'p1', '--net web --ip 172.16.1.9'));
    const taken = await podman(runWords(bed, 'p2', '--net web --ip 172.16.1.9'), { check: false });
    expect(taken.status).not.toBe(0);
    expect(taken.stderr).toMatch(/SNNET_VNIC_CONFLICT|exists already with other properties/);
    await bed.stopDaemon();
    const alone = await podman(runWords(bed, 'p3', '--net web --ip 172.16.1.11'), { check: false });
    expect(alone.status).not.toBe(0);
    expect(alone.stderr).toMatch(/the snnet daemon does not run/);
    await bed.startDaemon();
    expect((await podman('exec p1 ip -o address show eth0')).stdout).toContain('172.16.1.9/24');
    await podman('rm -f -t 0 p1 p2 p3');
    expect(await bed.isEmpty()).toBe(true);
  },
  120_000,
);
