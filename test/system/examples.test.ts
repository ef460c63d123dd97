/** Every example in examples/ runs as a user would run it, in a namespace with one uplink. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PACKAGE_ROOT, runChild } from '../support/child';
import { Dockerd, IMAGE } from '../support/dockerd';
import { NatsServer } from '../support/nats';
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { VmImage } from '../support/vm';

const SOURCES = join(PACKAGE_ROOT, 'examples');
const NAMES = readdirSync(SOURCES)
  .filter((file) => file.endsWith('.ts'))
  .map((file) => file.slice(0, -3));

async function uplinked(box: Sandbox): Promise<Namespace> {
  const ns = await box.netns('node');
  const far = await box.netns('far');
  const address = '198.51.100.1/24';
  await box.link({ ns, name: 'eth0', address }, { ns: far, name: 'eth0' });
  return ns;
}

async function runExample(
  name: string,
  ns: Namespace,
  { env = {}, timeoutMs = 20_000 }: { env?: Record<string, string>; timeoutMs?: number } = {},
): Promise<string> {
  const file = join('dist-test', 'examples', `${name}.js`);
  const result = await runChild({ file }, { env: { SNNET_NETNS: ns.name, ...env }, timeoutMs });
  expect(result).toMatchObject({ status: 0, stderr: '' });
  return result.stdout;
}

test.each(NAMES)('%s says in three lines what it is, and what it needs and shows', (name) => {
  const lines = readFileSync(join(SOURCES, `${name}.ts`), 'utf8').split('\n');
  expect(lines.slice(0, 3).every((line) => /^\/\/ [A-Z].*\.$/.test(line))).toBe(true);
  expect(lines[1]).toMatch(/^\/\/ Needs (no )?root/);
  expect(lines.length).toBeLessThanOrEqual(61);
});

test('create-vnic creates once, and leaves nothing', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('create-vnic', await uplinked(box));
  expect(output).toContain('tell the concentrator tunnel-add to 198.51.100.9');
  expect(output).toContain('the same again: created false event undefined');
  expect(output).toMatch(/VNICs left 0\n$/);
});

test('two-tenants has the same address on two bridges', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('two-tenants', await uplinked(box));
  expect(output.match(/172\.16\.1\.5 on svn_/g)).toHaveLength(2);
  expect(new Set(output.match(/sbr_[0-9a-f]+/g)).size).toBe(2);
  expect(output).toMatch(/subnets left 0\n$/);
});

needs('tap')('multi-queue-vm hands out four descriptors', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('multi-queue-vm', await uplinked(box));
  expect(output).toMatch(/^svn_[0-9a-f]+ has 4 queues\n/);
  expect(output).toContain('fds=3:4:5:6');
});

for (const queues of [1, 2]) {
  const title = `vm runs a machine whose card has ${String(queues)} queues`;
  needs('tap', 'qemu')(
    title,
    async () => {
      using image = await VmImage.make();
      await using box = await Sandbox.open();
      // What the machine does, instead of being spoken to.
      const run =
        'cat /sys/class/net/eth0/mtu /sys/class/net/eth0/address; ls /sys/class/net/eth0/queues';
      const env = {
        SNNET_KERNEL: image.kernel,
        SNNET_INITRD: image.initrd,
        SNNET_APPEND: `${image.append} run="${run}"`,
        SNNET_QUEUES: String(queues),
      };
      const output = await runExample('vm', await uplinked(box), { env, timeoutMs: 90_000 });
      expect(output).toContain('tell the concentrator tunnel-add\n');
      expect(output).toMatch(queues === 1 ? /ifname=svn_/ : / tap,id=net0,fds=3:4 /);
      const [, said = ''] = output.split('host_mtu=');
      const words = said.split(/\s+/);
      expect(words).toEqual(expect.arrayContaining(['1450', '02:00:ac:10:01:05', 'rx-0']));
      expect(words.includes('rx-1')).toBe(queues === 2);
      expect(output).toMatch(/QEMU ended with 0\nVNICs left 0\n$/);
    },
    120_000,
  );
}

test('dry-run prints commands and makes nothing', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('dry-run', await uplinked(box));
  expect(output).toMatch(/^ip link add sbr_.* type bridge$/m);
  expect(output).toMatch(/VNICs now 0\n$/);
});

test('watch-drift sees each link go', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('watch-drift', await uplinked(box));
  expect(output.match(/: deleted \(/g)).toHaveLength(3);
  expect(output).toMatch(/VNICs that the node knows 0\n$/);
});

needs('nftables')('firewall maps a port and an address, and undoes it all', async () => {
  await using box = await Sandbox.open();
  const output = await runExample('firewall', await uplinked(box));
  expect(output).toContain('mapped 40\nagain 0\n');
  expect(output).toContain('port eth0 tcp 33261 -> 172.16.1.5:22\n');
  expect(output).toContain('public 192.0.2.77 on eth0 <-> 172.16.1.5\n');
  expect(output).toMatch(/removed true forwarding false\n$/);
});

needs('nats-server')('launcher-events tells the concentrator as soon as it can', async () => {
  await using box = await Sandbox.open();
  const ns = await uplinked(box);
  const directory = mkdtempSync(join(tmpdir(), 'snnet-example-'));
  await using nats = await NatsServer.start();
  const env = { SNNET_NATS: nats.address, SNNET_OUTBOX_DIR: join(directory, 'outbox') };
  const output = await runExample('launcher-events', ns, { env });
  rmSync(directory, { recursive: true, force: true });
  expect(output).toMatch(/^svn_[0-9a-f]+: tunnel-add, on disk\nwaiting 1\nmade CIAO_CNCI, /);
  expect(output).toMatch(/cnci-3390740c-[0-9a-f-]+\nwaiting 0\n$/);
});

needs('docker', 'vxlan')(
  'docker runs a container on a VNIC, and leaves nothing',
  async () => {
    await using box = await Sandbox.open();
    const ns = await uplinked(box);
    await using dockerd = await Dockerd.open(ns);
    const file = join(PACKAGE_ROOT, 'dist-test', 'examples', 'docker.js');
    const env = {
      SNNET_NETNS: '/proc/self/ns/net',
      SNNET_IMAGE: IMAGE,
      SNNET_DOCKER: '/usr/bin/docker',
    };
    const { stdout } = await dockerd.exec([process.execPath, file], { env });
    expect(stdout).toContain('tell the concentrator tunnel-add 172.16.1.0/24\n');
    expect(stdout).toMatch(/eth0.* mtu 14\d\d /);
    expect(stdout).toContain('link/ether 02:00:ac:10:01:05');
    expect(stdout).toContain('inet 172.16.1.5/24');
    expect(stdout).toMatch(/tell the concentrator tunnel-del 172.16.1.0\/24\nVNICs left 0\n$/);
  },
  60_000,
);

needs('tap')('adopt-go-topology finds what another library made', async () => {
  await using box = await Sandbox.open();
  const ns = await uplinked(box);
  const scope = 'tuuid_suuid_cuuid_198.51.100.9';
  box.allow(ns, [/^s(br|vn)_/]);
  // One by one: in a batch of ip the signs in the alias would begin a comment.
  for (const line of [
    'link add sbr_1 type bridge',
    `link set sbr_1 alias br_${scope} up`,
    'tuntap add svn_2 mode tap',
    `link set svn_2 alias vnic_${scope}##172.16.1.5 master sbr_1 up`,
  ]) {
    await run(['ip', '-n', ns.name, ...line.split(' ')]);
  }
  const output = await runExample('adopt-go-topology', ns);
  expect(output).toContain('tenant tuuid\n  bridge sbr_1, tunnel - to 198.51.100.9\n');
  expect(output).toContain('VNIC svn_2 for 172.16.1.5\n    ip link delete svn_2\n');
  expect(output).toContain('! missing-tunnel: bridge sbr_1');
});
