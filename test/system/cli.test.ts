/** The command line as scripts and people use it: one process for each command. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeChild, PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { AS_NOBODY, patience, run, until } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { ADDRESS, bare, CNCI_VNIC, FILE, REMOTE, stand, VNIC } from './helpers/stand';

test('--help names every group, and --version is the version of the package', async () => {
  const help = await bare('--help');
  expect(help).toMatchObject({ status: 0, stderr: '' });
  for (const name of ['node', 'cnci', 'firewall', 'topology', 'doctor', 'demo']) {
    expect(help.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  }
  const { version } = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(await bare('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
});

test.each([
  [['node', 'create-vnick'], /unknown command 'create-vnick'/],
  [['node', 'list', '--bogus'], /unknown option '--bogus'/],
  [['node', 'list', '--mode', 'gree'], /Allowed choices are gre, vxlan, geneve, auto/],
  [['node', 'create-vnic', '--subnet-key', 'ten'], /A whole number was expected/],
  [['node', 'repair', '--subnet-key', '123'], /Expected the identity, an equals sign and the key/],
  [['cnci', 'add-subnet', '--subnet', '172.16.1.0/24'], /required option '--subnet-key/],
  [['node', 'create-vnic', '--id', 'cn1', '--config', '/nowhere'], /\/nowhere cannot be read/],
])('usage: %j ends with status 2', async (args, said) => {
  const { status, stdout, stderr } = await bare(...args);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(said);
  expect(stderr).not.toMatch(/\n\s+at /);
});

test('a usage error is JSON where JSON was asked for', async () => {
  const { status, stderr } = await bare('node', 'list', '--bogus', '--json');
  expect(status).toBe(2);
  expect(JSON.parse(stderr)).toMatchObject({
    error: { name: 'UsageError', message: "unknown option '--bogus'" },
  });
});

test('a container VNIC comes and goes, and each step can be read by a script', async () => {
  await using box = await Sandbox.open();
  const { json, snnet } = await stand(box);
  const plan = await json('node', 'create-vnic', ...VNIC, '--dry-run');
  expect(plan).toMatchObject({
    operation: 'createVnic',
    text: expect.stringMatching(/^ip link add/),
  });
  expect(await json('node', 'list')).toEqual({ vnics: [], cnciVnics: [] });

  const made = await json('node', 'create-vnic', ...VNIC);
  expect(made).toMatchObject({
    created: true,
    vnic: { role: 'container', ip: '172.16.1.5' },
    event: { kind: 'tunnel-add', cnciIp: '198.51.100.21', cnIp: ADDRESS, subnetKey: 101 },
  });
  expect(await json('node', 'create-vnic', ...VNIC)).toMatchObject({ created: false });
  expect(await json('node', 'list')).toMatchObject({ vnics: [{ tenantId: 'alpha' }] });
  expect((await snnet('node', 'list')).stdout).toMatch(/^container {2}alpha {3}web/m);
  expect(await json('node', 'rebuild')).toMatchObject({ subnets: 1, vnics: 1, findings: [] });

  const removal = await json('node', 'destroy-vnic', ...VNIC, '--dry-run');
  expect(removal).toMatchObject({ text: expect.stringContaining('ip link delete svn_') });
  const gone = await json('node', 'destroy-vnic', ...VNIC);
  expect(gone).toMatchObject({ destroyed: true, event: { kind: 'tunnel-del' } });
  expect(await json('node', 'destroy-vnic', ...VNIC)).toMatchObject({ destroyed: false });
});

test('people are told what to do next', async () => {
  await using box = await Sandbox.open();
  const { snnet } = await stand(box);
  const { stdout } = await snnet('node', 'create-vnic', ...VNIC, '--mode', 'vxlan');
  expect(stdout).toMatch(/^created container svn_[0-9a-f]+, 172\.16\.1\.5, MTU 1450$/m);
  expect(stdout).toMatch(/^for the workload: svp_[0-9a-f]+, MAC 02:00:ac:10:01:05$/m);
  expect(stdout).toContain(
    `  snnet cnci add-subnet --subnet 172.16.1.0/24 --subnet-key 101 --cn-ip ${ADDRESS} --mode vxlan\n`,
  );
  expect((await snnet('node', 'destroy-vnic', ...VNIC, '--mode', 'vxlan')).stdout).toMatch(
    /^destroyed\ntell the concentrator at 198\.51\.100\.21:\n {2}snnet cnci del-subnet /,
  );
});

test('a configuration comes from a file, and options win', async () => {
  await using box = await Sandbox.open();
  const { json } = await stand(box);
  const directory = mkdtempSync(join(tmpdir(), 'snnet-cli-'));
  try {
    const file = join(directory, 'vnic.json');
    writeFileSync(file, JSON.stringify({ vnicIp: '172.16.1.9' }));
    const plan = await json('node', 'create-vnic', ...VNIC, '--config', file, '--dry-run');
    expect(plan).toMatchObject({ text: expect.stringContaining('##172.16.1.5') });
    writeFileSync(file, '{ "vnicIp": ');
    const { status, stderr } = await bare('node', 'create-vnic', '--id', 'x', '--config', file);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^snnet: .*vnic\.json is not JSON: /);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('bad input ends with status 2 and names the option', async () => {
  await using box = await Sandbox.open();
  const { snnet } = await stand(box);
  const bad = [...VNIC, '--vnic-ip', '172.16.2.5'];
  const { status, stdout, stderr } = await snnet('node', 'create-vnic', ...bad);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(/^snnet: Expected an address inside 172\.16\.1\.0\/24 for vnicIp/);
  expect(stderr).toContain('\n  option: --vnic-ip\n  what to do: ');
  const asJson = await snnet('node', 'create-vnic', ...bad, '--json');
  expect(asJson.status).toBe(2);
  expect(JSON.parse(asJson.stderr)).toMatchObject({
    error: { code: 'SNNET_INPUT_INVALID', field: 'vnicIp', value: '172.16.2.5' },
  });
});

test('a failure that leaves all consistent ends with status 1 and a remedy', async () => {
  await using box = await Sandbox.open();
  const { snnet } = await stand(box);
  const nowhere = await snnet('node', 'list', '--netns', 'not-there');
  expect(nowhere.status).toBe(1);
  expect(nowhere.stderr).toMatch(/code: SNNET_NETNS_NOT_FOUND\n.*what to do: /);
  const { status, stderr } = await snnet(
    'node',
    'list',
    '--compute-net',
    '203.0.113.0/24',
    '--json',
  );
  expect(status).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({
    error: { code: 'SNNET_NETWORK_NOT_FOUND', remedy: expect.any(String) },
  });
});

needs('real-root')(
  'without the right to change links, it says which right is missing',
  async () => {
    await using box = await Sandbox.open();
    const { ns, env } = await stand(box);
    const enter = ['nsenter', `--net=${ns.path}`, ...AS_NOBODY];
    const argv = [...enter, process.execPath, join(PACKAGE_ROOT, FILE)];
    const own = { ...env, SNNET_NETNS: '' };
    for (const mode of ['auto', 'vxlan']) {
      const { status, stderr } = await run(
        [...argv, 'node', 'create-vnic', ...VNIC, '--mode', mode],
        { check: false, env: own },
      );
      expect(status).toBe(1);
      expect(stderr).toContain('This process lacks CAP_NET_ADMIN');
    }
  },
);

needs('macvtap')("the VNIC of a CNCI's VM comes and goes", async () => {
  await using box = await Sandbox.open();
  const { json } = await stand(box);
  const plan = await json('node', 'create-cnci-vnic', ...CNCI_VNIC, '--dry-run');
  expect(plan).toMatchObject({ text: expect.stringContaining('type macvtap') });
  const made = await json('node', 'create-cnci-vnic', ...CNCI_VNIC);
  expect(made).toMatchObject({ created: true, vnic: { mac: '02:00:00:00:00:01' } });
  expect(await json('node', 'list')).toMatchObject({ cnciVnics: [{ tenantId: 'alpha' }] });
  const gone = await json('node', 'destroy-cnci-vnic', ...CNCI_VNIC);
  expect(gone).toMatchObject({ destroyed: true });
});

test('what is out of order is found, repaired, and at last swept away', async () => {
  await using box = await Sandbox.open();
  const { ns, json, snnet } = await stand(box);
  await json('node', 'create-vnic', ...VNIC);
  const { vnics } = (await json('node', 'list')) as { vnics: { linkName: string }[] };
  await box.exec(ns, ['ip', 'link', 'set', vnics[0]!.linkName, 'nomaster']);
  expect(await json('node', 'audit')).toMatchObject({ findings: [{ type: 'detached' }] });
  expect((await snnet('node', 'audit', '--check')).status).toBe(1);
  expect((await snnet('topology')).stdout).toContain('└─ ! detached: ');
  expect(await json('node', 'repair')).toMatchObject({
    repaired: [{ type: 'detached' }],
    left: [],
  });
  expect((await snnet('node', 'audit', '--check')).status).toBe(0);
  const swept = (await json('node', 'reset')) as { removed: string[]; failed: unknown[] };
  expect(swept.failed).toEqual([]);
  expect(swept.removed).toContain(vnics[0]!.linkName);
  expect((await snnet('node', 'reset')).stdout).toBe('nothing to remove\n');
});

test('watch tells of a link that somebody deletes, one line each, and ends with 0', async () => {
  await using box = await Sandbox.open();
  const { ns, env, json } = await stand(box);
  await json('node', 'create-vnic', ...VNIC);
  const { vnics } = (await json('node', 'list')) as { vnics: { linkName: string }[] };
  const link = vnics[0]!.linkName;
  await using child = new NodeChild({ file: FILE }, { args: ['node', 'watch', '--json'], env });
  const hasTold = (cause: string) => (): boolean => child.stdout.includes(`"cause":"${cause}"`);
  const change = (...words: readonly string[]) => box.exec(ns, ['ip', 'link', ...words]);
  // It does not say when it has begun to listen: so it may miss the first.
  for (let turn = 0; turn < 20 && !hasTold('down')(); turn += 1) {
    await change('set', link, 'up');
    await change('set', link, 'down');
    await until(hasTold('down'), 500 * patience);
  }
  await change('delete', link);
  expect(await until(hasTold('deleted'), 10_000 * patience)).toBe(true);
  process.kill(child.pid ?? 0, 'SIGTERM');
  const { status, stdout } = await child.finished;
  expect(status).toBe(0);
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toContainEqual(expect.objectContaining({ type: 'drift', cause: 'deleted' }));
  await json('node', 'reset');
});

test('watch --heal says what it mended, and whom to tell', async () => {
  await using box = await Sandbox.open();
  const { ns, env, json } = await stand(box);
  await json('node', 'create-vnic', ...VNIC);
  const { vnics } = (await json('node', 'list')) as { vnics: { linkName: string }[] };
  const link = vnics[0]!.linkName;
  await box.exec(ns, ['ip', 'link', 'set', link, 'down']);
  // What is out of order when it begins is mended too.
  await using child = new NodeChild({ file: FILE }, { args: ['node', 'watch', '--heal'], env });
  const hasTold = (text: string) => (): boolean => child.stdout.includes(text);
  expect(await until(hasTold(`repaired down: ${link} is down`), 10_000 * patience)).toBe(true);
  await box.exec(ns, ['ip', 'link', 'delete', link]);
  const told = hasTold('tell the concentrator 198.51.100.21: tunnel-del alpha_web_');
  expect(await until(told, 10_000 * patience)).toBe(true);
  process.kill(child.pid ?? 0, 'SIGTERM');
  expect((await child.finished).status).toBe(0);
  await json('node', 'reset');
});

test('a concentrator reaches a subnet, lists it, and shuts down', async () => {
  await using box = await Sandbox.open();
  const { ns, json, snnet } = await stand(box);
  const cnci = (...words: readonly string[]) => [
    'cnci',
    ...words,
    '--tenant-id',
    'alpha',
    '--no-dhcp',
  ];
  const made = await json(...cnci('add-subnet', ...REMOTE));
  expect(made).toMatchObject({
    gateway: '172.16.1.1',
    created: { bridge: true, tunnel: true },
  });
  expect(await json(...cnci('list'))).toMatchObject({
    subnets: [{ subnet: '172.16.1.0/24', tunnels: [{ cnIp: '198.51.100.11', key: 101 }] }],
  });
  expect((await snnet(...cnci('list'))).stdout).toMatch(/^172\.16\.1\.0\/24 {2}172\.16\.1\.1 /m);
  expect(await json(...cnci('rebuild'))).toMatchObject({ subnets: 1, tunnels: 1, findings: [] });
  expect((await snnet('topology', '--tenant-id', 'alpha')).stdout).toMatch(/^CNCI cn1 /);
  const { subnets } = (await json(...cnci('list'))) as {
    subnets: { tunnels: { linkName: string }[] }[];
  };
  const tunnel = subnets[0]!.tunnels[0]!.linkName;
  await box.exec(ns, ['ip', 'link', 'set', tunnel, 'down']);
  expect((await snnet(...cnci('audit', '--check'))).status).toBe(1);
  expect((await snnet(...cnci('repair'))).stdout).toBe(`repaired down: ${tunnel} is down\n`);
  expect((await snnet(...cnci('audit', '--check'))).stdout).toBe('nothing is out of order\n');
  expect(await json(...cnci('del-subnet', ...REMOTE))).toEqual({ removed: true });
  expect(await json(...cnci('del-subnet', ...REMOTE))).toEqual({ removed: false });
  expect(await json(...cnci('shutdown'))).toMatchObject({ failed: [] });
});

test('the neighbours of a concentrator come from a file; a dry run only shows', async () => {
  await using box = await Sandbox.open();
  const { json, snnet } = await stand(box);
  const directory = mkdtempSync(join(tmpdir(), 'snnet-cli-'));
  const file = join(directory, 'neighbors.json');
  const entry = (n: number, physicalIp: string) => ({
    physicalIp,
    subnet: `172.16.${String(n)}.0/24`,
    tunnelIp: `192.168.64.${String(n)}`,
    tunnelId: 5,
  });
  writeFileSync(file, JSON.stringify([entry(1, ADDRESS), entry(2, '198.51.100.22')]));
  const neighbors = ['cnci', 'neighbors', '--neighbors', file, '--tenant-id', 'alpha', '--no-dhcp'];
  expect((await snnet(...neighbors, '--dry-run')).stdout).toMatch(/^ip link add cncitun /);
  expect(await json(...neighbors)).toMatchObject({ created: true, added: ['192.168.64.2'] });
  expect(await json(...neighbors)).toMatchObject({ isChanged: false });
  expect((await snnet('cnci', 'list', '--tenant-id', 'alpha')).stdout).toMatch(
    /^192\.168\.64\.2 {2}198\.51\.100\.22 {2}172\.16\.2\.0\/24$/m,
  );
  expect(await json('cnci', 'shutdown', '--tenant-id', 'alpha', '--no-dhcp')).toMatchObject({
    failed: [],
  });
  rmSync(directory, { recursive: true });
});

test('tunnels follow a concentrator to another address', async () => {
  await using box = await Sandbox.open();
  const { json, snnet } = await stand(box);
  await json('node', 'create-vnic', ...VNIC);
  const move = ['node', 'repoint', '--from', '198.51.100.21', '--to', '198.51.100.22'];
  expect((await snnet(...move, '--dry-run')).stdout).toMatch(
    / type vxlan remote 198\.51\.100\.22$/m,
  );
  expect(await json(...move)).toMatchObject({
    events: [{ kind: 'tunnel-add' }, { kind: 'tunnel-del', cnciIp: '198.51.100.21' }],
  });
  expect((await snnet(...move)).stdout).toBe('nothing to move\n');
  await json('node', 'reset');
});

test('the topology is drawn as a tree, in ASCII, as JSON and for Mermaid', async () => {
  await using box = await Sandbox.open();
  const { json, snnet } = await stand(box);
  await json('node', 'create-vnic', ...VNIC);
  expect((await snnet('topology')).stdout).toMatch(
    /^compute node \S+ · eth0 .*\n└─ tenant alpha\n/,
  );
  expect((await snnet('topology', '--ascii')).stdout).toMatch(/^`- tenant alpha$/m);
  expect(await json('topology')).toMatchObject({ type: 'compute-node' });
  const { stdout } = await snnet('topology', '--format', 'json');
  expect(JSON.parse(stdout)).toMatchObject({ vnics: [{ ip: '172.16.1.5' }] });
  expect((await snnet('topology', '--format', 'mermaid')).stdout).toMatch(/^flowchart LR\n/);
  await json('node', 'reset');
});

test('doctor says what this machine can do', async () => {
  const { status, stdout } = await bare('doctor', '--json');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    netAdmin: true,
    linkKinds: { bridge: true },
    lacks: [],
  });
  expect((await bare('doctor')).stdout).toMatch(/^ {2}bridge +yes$/m);
});
