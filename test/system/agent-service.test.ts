/** The agent as a service: its unit, its statuses, what it may and may not do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { PACKAGE_ROOT } from '../support/child';
import { needs } from '../support/reasons';
import { patience, run, until } from '../support/run';
import { ServiceManager } from '../support/service-manager';
import { AgentStand, CNCI_ID, tenantYaml } from '../kernel/helpers/agent-stand';
import { AgentProcess, ssntpWords } from './helpers/agent-process';
import { Scheduler } from './helpers/scheduler';
import { LOOPBACK } from './helpers/ssntp';

const CLI = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
const UNIT = join(PACKAGE_ROOT, 'packaging', 'systemd', 'snnet-agent.service');
const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs', 'agent.md'), 'utf8');
const unit = readFileSync(UNIT, 'utf8');
const it = needs('vxlan', 'dnsmasq', 'nftables', 'real-root');
const MINUTE_MS = 60_000 * patience;

const only = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'snnet-service-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** How an agent ends that does not begin: each needs its own reason. */
async function statusOf(...words: readonly string[]): Promise<[number | null, string]> {
  const { status, stderr } = await run([process.execPath, CLI, 'agent', ...words], {
    check: false,
  });
  return [status, stderr];
}

test('the page names every option of the original and every variable of the unit', async () => {
  const { stdout } = await run([process.execPath, CLI, 'agent', '--help']);
  for (const flag of [
    'server',
    'cacert',
    'cert',
    'compute-net',
    'mgmt-net',
    'network',
    'ssh',
    'uuid',
  ]) {
    expect(PAGE).toContain(`-${flag}`);
    expect(stdout).toContain(`-${flag}`);
  }
  for (const [name] of unit.matchAll(/\bSNNET_[A-Z_]+/g)) {
    expect(PAGE).toContain(name);
    expect(stdout).toContain(name);
  }
  expect(PAGE).toContain(only('EnvironmentFile').slice(1));
  expect(only('RestartPreventExitStatus')).toBe('2');
});

needs('systemd-analyze')('the unit is one that systemd understands, and calls safe', async () => {
  const copy = join(directory, 'snnet-agent.service');
  writeFileSync(
    copy,
    unit.replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath} ${CLI} agent`),
  );
  const verified = await run(['systemd-analyze', 'verify', '--man=no', copy], { check: false });
  expect({ status: verified.status, stderr: verified.stderr }).toEqual({ status: 0, stderr: '' });
  // 100 is no protection at all; a daemon of the distribution has 96 most of the time.
  const security = ['systemd-analyze', 'security', '--offline=true', '--no-pager'];
  await run([...security, '--threshold=45', copy]);
});

it(
  'what the unit leaves it is enough for all that it does, DHCP servers included',
  async () => {
    await using stand = await AgentStand.open();
    await using scheduler = await Scheduler.start();
    const bounds = only('CapabilityBoundingSet')
      .split(' ')
      .map((name) => name.replace(/^CAP_/, '+').toLowerCase());
    // It enters the namespace of the test, as it need not in a concentrator.
    const set = ['-all', ...bounds, '+sys_admin'].join(',');
    const prefix = ['setpriv', '--bounding-set', set, '--inh-caps', '-all', '--no-new-privs', '--'];
    const options = {
      ...{ id: CNCI_ID, netns: stand.ns.path, directory: stand.directory, prefix },
      words: ssntpWords(stand.directory, scheduler),
    };
    const agent = await AgentProcess.start(options);
    await scheduler.connected(CNCI_ID);
    await scheduler.sendText(CNCI_ID, 'tenant-added', tenantYaml('tenant-added', {}));
    // Ports come after the server, which is another process until it has bound its sockets.
    const isMapped = async (): Promise<boolean> => (await stand.ruleset()).includes('33261 : ');
    expect(await until(isMapped, MINUTE_MS)).toBe(true);
    const before = await stand.servers();
    expect(before).toHaveLength(1);
    await agent.kill();
    // It finds the server of the one before, and tells it from others.
    await using again = await AgentProcess.start(options);
    expect(again.tool.stderr).not.toContain('error');
    expect(await stand.servers()).toEqual(before);
  },
  2 * MINUTE_MS,
);

it(
  'it tells the service manager when it is ready, and that it ends; SIGTERM is status 0',
  async () => {
    await using stand = await AgentStand.open();
    await using scheduler = await Scheduler.start('ciao');
    const socket = join(directory, 'notify');
    await using manager = await ServiceManager.start(socket);
    const prefix = ['env', `NOTIFY_SOCKET=${socket}`];
    const words = ssntpWords(stand.directory, scheduler);
    const { directory: own, ns } = stand;
    const agent = await AgentProcess.start({
      id: CNCI_ID,
      netns: ns.path,
      directory: own,
      words,
      prefix,
    });
    expect((await manager.heard(1))[0]).toContain('READY=1|STATUS=0 tunnels');
    await scheduler.connected(CNCI_ID);
    process.kill(agent.tool.pid as number, 'SIGTERM');
    expect((await manager.heard(2))[1]).toContain('STOPPING=1');
    await agent.tool.stop();
    expect(agent.tool.stderr).not.toContain('error');
  },
  2 * MINUTE_MS,
);

it(
  'a scheduler that hangs up during the handshake is dialled again, and again',
  async () => {
    await using stand = await AgentStand.open();
    await using scheduler = await Scheduler.start();
    let dialled = 0;
    const rude = createServer((socket) => {
      dialled += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => rude.listen(0, LOOPBACK, resolve));
    try {
      const { port } = rude.address() as AddressInfo;
      const words = ssntpWords(stand.directory, {
        address: `${LOOPBACK}:${String(port)}`,
        agentFiles: scheduler.agentFiles,
      });
      const options = { id: CNCI_ID, netns: stand.ns.path, directory: stand.directory, words };
      await using agent = await AgentProcess.start(options);
      await until(() => dialled >= 2, MINUTE_MS);
      expect(agent.tool.running).toBe(true);
    } finally {
      rude.close();
    }
  },
  2 * MINUTE_MS,
);

describe('what it cannot begin with is usage, status 2', () => {
  test('files that are not there', async () => {
    const [status, said] = await statusOf(
      '-uuid',
      CNCI_ID,
      '-cert',
      '/nowhere',
      '-cacert',
      '/nowhere',
    );
    expect([status, said]).toEqual([2, expect.stringContaining('--cert cannot be read')]);
  });

  test('options that nobody knows, also in a file', async () => {
    expect((await statusOf('--servr', 'x'))[0]).toBe(2);
    const file = join(directory, 'agent.json');
    writeFileSync(file, '{"servr": "x"}');
    const [status, said] = await statusOf('--config', file);
    expect([status, said]).toEqual([2, expect.stringContaining('--servr')]);
    writeFileSync(file, '[');
    expect((await statusOf(`--config=${file}`))[0]).toBe(2);
    expect((await statusOf('--config', join(directory, 'none')))[0]).toBe(2);
  });

  test('a transport that there is not', async () => {
    expect((await statusOf('--transport', 'pigeon'))[0]).toBe(2);
  });
});
