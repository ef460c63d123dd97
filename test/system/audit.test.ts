/** The audit as operators meet it: a command, a daemon, a unit for systemd, a page of documentation. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ComputeNode } from '#lib/index';
import { PACKAGE_ROOT, runChild } from '../support/child';
import { ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { patience, run, until } from '../support/run';
import { ServiceManager } from '../support/service-manager';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { Container } from '../kernel/helpers/container';
import { optionsFor } from '../kernel/helpers/node';
import { CniDaemon } from './helpers/cni-daemon';
import { stand } from './helpers/stand';

const UNIT = join(PACKAGE_ROOT, 'packaging', 'systemd', 'snnet-cni.service');

/** Who asks namespaces must be allowed to look at others' processes. */
const it = needs('real-root');

async function vnicsIn(ns: Namespace): Promise<number> {
  return (await ipLinks(ns)).filter(({ ifalias }) => ifalias?.startsWith('vnic_') === true).length;
}

const address = (n: number): string => `IP=172.16.${Math.floor(n / 250)}.${(n % 250) + 2}`;

it('snnet cni audit shows, waits, and removes', async () => {
  await using box = await Sandbox.open();
  const { ns, snnet, json, env } = await stand(box);
  await using living = await Container.start('living');
  await using killed = await Container.start('killed');
  {
    await using daemon = await CniDaemon.start({ env, args: ['--audit-interval', '0'] });
    for (const [n, container] of [living, killed].entries()) {
      expect(await daemon.call('ADD', container, { args: address(n) })).toMatchObject({
        status: 0,
      });
    }
  }
  expect(await json('cni', 'audit')).toMatchObject({ seen: 2, alive: 2, stale: [], removed: [] });
  const held = openSync(killed.netns, 'r');
  await killed.kill();
  const dry = await snnet('cni', 'audit', '--dry-run');
  expect(dry).toMatchObject({ status: 0, stderr: '' });
  expect(dry.stdout).toMatch(/^2 VNICs of container runtimes, 1 with a workload\nWHAT /);
  expect(dry.stdout).toMatch(/^vnic +killed +eth0 +172\.16\.0\.3 .* left$/m);
  expect(await vnicsIn(ns)).toBe(2);

  const { status, stdout, stderr } = await snnet('cni', 'audit', '--audit-grace', '10');
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: '1 VNIC without a workload; looking again in 1 s, interrupt to leave everything\n',
  });
  expect(stdout).toMatch(/^vnic +killed .* removed$/m);
  expect(await vnicsIn(ns)).toBe(1);
  await living.kill();
  closeSync(held);
  // The kernel took the last one along with its namespace; what is left is for the operator.
  await json('node', 'repair');
});

test.each([
  [['--liveness', 'rkt'], /Expected namespaces or namespaces-here or docker or/],
  [['--liveness', 'docker:run/x'], /absolute path/],
  [['--liveness', 'namespaces:/run/x'], /Expected/],
  [['--audit-grace', 'long'], /whole number/],
])('%j ends with status 2', async (args, words) => {
  const { status, stderr } = await runChild(
    { file: 'dist/cli/main.js' },
    { args: ['cni', 'audit', ...args] },
  );
  expect(status).toBe(2);
  expect(stderr).toMatch(words);
});

test('a runtime that does not answer is said so, and nothing is removed', async () => {
  await using box = await Sandbox.open();
  const { ns, snnet, env } = await stand(box);
  await using container = await Container.start('c1');
  await using daemon = await CniDaemon.start({ env });
  await daemon.call('ADD', container, { args: address(0) });
  const liveness = ['--liveness', 'namespaces,docker:/nowhere/docker.sock'];
  const { status, stderr } = await snnet('cni', 'audit', ...liveness, '--audit-grace', '0');
  expect(status).toBe(1);
  expect(stderr).toMatch(/SNNET_LIVENESS_UNKNOWN/);
  expect(await vnicsIn(ns)).toBe(1);
  await daemon.call('DEL', container);
});

it('the daemon removes what was abandoned, delivers the event, and ends cleanly', async () => {
  await using box = await Sandbox.open();
  const { ns, env } = await stand(box);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const NOTIFY_SOCKET = `@snnet-test/${process.pid}/${signal}`;
    await using manager = await ServiceManager.start(NOTIFY_SOCKET);
    await using container = await Container.start('c1');
    const args = ['--audit-interval', '20', '--audit-grace', '50'];
    await using daemon = await CniDaemon.start({ env: { ...env, NOTIFY_SOCKET }, args });
    await daemon.call('ADD', container, { args: address(0) });
    const held = openSync(container.netns, 'r');
    await container.kill();
    const isTold = (): boolean => daemon.tool.stdout.includes('"kind":"tunnel-del"');
    expect(await until(isTold, 20_000 * patience)).toBe(true);
    closeSync(held);
    const events = daemon.tool.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(events).toMatchObject([
      { kind: 'tunnel-add', subnet: '172.16.0.0/16' },
      { kind: 'tunnel-del', subnet: '172.16.0.0/16' },
    ]);
    process.kill(daemon.tool.pid as number, signal);
    expect(await until(() => !daemon.tool.running, 10_000 * patience)).toBe(true);
    expect(daemon.tool.stderr).not.toMatch(/Error|^\s+at /m);
    expect(await manager.heard(2)).toEqual([
      `${String(daemon.tool.pid)} READY=1|STATUS=serving ${daemon.socket}`,
      `${String(daemon.tool.pid)} STOPPING=1`,
    ]);
    expect(await vnicsIn(ns)).toBe(0);
  }
});

it('while fifty containers come, half of them go, and one was abandoned, only that one is removed', async () => {
  await using box = await Sandbox.open();
  const { ns, env } = await stand(box);
  const args = ['--audit-interval', '2', '--audit-grace', '0'];
  await using daemon = await CniDaemon.start({ env, args });
  await using abandoned = await Container.start('abandoned');
  await daemon.call('ADD', abandoned, { args: address(100) });
  const held = openSync(abandoned.netns, 'r');
  await abandoned.kill();
  const containers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => Container.start(`living${n}`)),
  );
  try {
    const calls = containers.flatMap((container, index) =>
      Array.from({ length: 5 }, (_, k) => async (command: string) => {
        const more = { ifname: `eth${k}`, args: address(index * 5 + k) };
        expect(await daemon.call(command, container, more)).toMatchObject({ status: 0 });
      }),
    );
    await Promise.all(
      calls.map(async (call, index) => {
        await call('ADD');
        if (index % 2 === 1) await call('DEL');
      }),
    );
    const isReaped = () => daemon.tool.stderr.includes('removed a VNIC without a workload');
    expect(await until(isReaped, 20_000 * patience)).toBe(true);
    expect(daemon.tool.stderr.match(/removed a VNIC/g)).toHaveLength(1);
    expect(daemon.tool.stderr).not.toMatch(/could not/);
    expect(await vnicsIn(ns)).toBe(25);
    await Promise.all(calls.map((call) => call('DEL')));
    expect(await vnicsIn(ns)).toBe(0);
  } finally {
    closeSync(held);
    await Promise.all(containers.map((container) => container[Symbol.asyncDispose]()));
  }
});

test('the daemon with a thousand VNICs takes less than 80 MB', async () => {
  await using box = await Sandbox.open();
  const { ns, env } = await stand(box);
  await using container = await Container.start('c1');
  await using node = await ComputeNode.open(optionsFor(ns));
  const configs = Array.from({ length: 1000 }, (_, n) =>
    container.vnic(n, {
      ...{ subnetId: `subnet${n % 4}`, subnetKey: 100 + (n % 4) },
      altName: container.nameOf(`e${n}`),
      attach: { netns: container.netns, ifname: `e${n}`, routes: [] },
    }),
  );
  await Promise.all(configs.map((config) => node.createVnic(config)));
  const directory = mkdtempSync(join(tmpdir(), 'snnet-audit-'));
  let rounds = 0;
  const runtime = createServer((_request, response) => {
    rounds += 1;
    response.end(JSON.stringify([{ Id: 'c1', State: 'running' }]));
  });
  await new Promise<void>((resolve) => runtime.listen(join(directory, 'docker.sock'), resolve));
  try {
    const liveness = `docker:${join(directory, 'docker.sock')}`;
    const args = ['--audit-interval', '100', '--liveness', liveness];
    await using daemon = await CniDaemon.start({ env, args });
    expect(await until(() => rounds >= 30, 60_000 * patience)).toBe(true);
    const [now, peak] = ['VmRSS', 'VmHWM'].map((name) => parseInt(daemon.status(name), 10) / 1024);
    console.log(`daemon with 1000 VNICs: RSS ${now?.toFixed(1)} MB, peak ${peak?.toFixed(1)} MB`);
    expect(now).toBeLessThan(80);
    expect(await vnicsIn(ns)).toBe(1000);
  } finally {
    await new Promise((resolve) => runtime.close(resolve));
    rmSync(directory, { recursive: true });
    await node.resetNetwork();
    await node.settle();
  }
}, 120_000);

describe('the unit for systemd', () => {
  const text = readFileSync(UNIT, 'utf8');
  const settings = (name: string): string[] =>
    [...text.matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value);
  const only = (name: string): string => {
    const values = settings(name);
    expect([name, values.length]).toEqual([name, 1]);
    return values[0] as string;
  };

  test('has three capabilities and no way to more, and sees what the audit must see', () => {
    expect(only('CapabilityBoundingSet')).toBe('CAP_NET_ADMIN CAP_SYS_ADMIN CAP_SYS_PTRACE');
    expect(settings('AmbientCapabilities')).toEqual([]);
    expect(only('Type')).toBe('notify');
    for (const name of ['NoNewPrivileges', 'ProtectHome', 'PrivateTmp', 'RestrictSUIDSGID']) {
      expect([name, only(name)]).toEqual([name, 'yes']);
    }
    expect([only('RuntimeDirectory'), only('RuntimeDirectoryMode')]).toEqual(['snnet', '0700']);
    expect(only('ProtectSystem')).toBe('strict');
    expect(only('ProtectProc')).toBe('default');
    expect(only('RestrictNamespaces')).toBe('net');
    expect(only('RestrictAddressFamilies').split(' ').sort()).toEqual([
      'AF_INET',
      'AF_INET6',
      'AF_NETLINK',
      'AF_UNIX',
    ]);
    expect(settings('SystemCallFilter')).toEqual(['@system-service', '~@privileged']);
    for (const name of ['PrivateNetwork', 'PrivateUsers', 'ProtectKernelTunables', 'PrivatePIDs']) {
      expect([name, settings(name)]).toEqual([name, []]);
    }
  });

  test('starts a command that there is', async () => {
    const [, ...words] = only('ExecStart').split(' ');
    const args = [...words, '--help'];
    const { status, stdout } = await runChild({ file: 'dist/cli/main.js' }, { args });
    expect(status).toBe(0);
    for (const option of ['--audit-interval', '--audit-grace', '--liveness', '--socket']) {
      expect(stdout).toContain(option);
    }
    const described = text.match(/SNNET_\w+/g) ?? [];
    for (const variable of described) expect(stdout).toContain(variable);
  });

  needs('systemd-analyze')(
    'is a unit that systemd understands, and calls well protected',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'snnet-unit-'));
      try {
        const copy = join(directory, 'snnet-cni.service');
        const node = `ExecStart=${process.execPath} ${join(PACKAGE_ROOT, 'dist/cli/main.js')} cni serve`;
        writeFileSync(copy, text.replace(/^ExecStart=.*$/m, node));
        const verified = await run(['systemd-analyze', 'verify', '--man=no', copy], {
          check: false,
        });
        expect({ ...verified, argv: [] }).toMatchObject({ status: 0, stdout: '', stderr: '' });
        const security = ['systemd-analyze', 'security', '--offline=true', '--no-pager'];
        // 100 is no protection at all; a daemon of the distribution has 96 most of the time.
        await run([...security, '--threshold=35', copy]);
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

  needs('real-root')(
    'leaves the daemon all that it needs for an ADD, a DEL and an audit',
    async () => {
      await using box = await Sandbox.open();
      const { ns, env } = await stand(box);
      const capabilities = only('CapabilityBoundingSet')
        .split(' ')
        .map((name) => name.replace(/^CAP_/, '+').toLowerCase());
      const bounds = ['--bounding-set', ['-all', ...capabilities].join(',')];
      const prefix = ['setpriv', ...bounds, '--inh-caps', '-all', '--no-new-privs', '--'];
      const args = ['--audit-interval', '20', '--audit-grace', '0'];
      await using container = await Container.start('c1');
      await using other = await Container.start('c2');
      await using daemon = await CniDaemon.start({ env, args, prefix });
      // NET_ADMIN 12, SYS_PTRACE 19, SYS_ADMIN 21.
      expect([daemon.status('CapEff'), daemon.status('NoNewPrivs')]).toEqual([
        ((1 << 12) | (1 << 19) | (1 << 21)).toString(16).padStart(16, '0'),
        '1',
      ]);
      // As `ctr` names a namespace, and as others do.
      const added = await daemon.call('ADD', container, { args: address(0) });
      expect(added).toMatchObject({ status: 0 });
      const named = await box.netns('named');
      const inNamed = { containerId: 'c3', netns: named.path, args: address(1) };
      expect(await daemon.call('ADD', container, inNamed)).toMatchObject({ status: 0 });
      expect(await daemon.call('ADD', other, { args: address(2) })).toMatchObject({ status: 0 });
      const ping = ['nsenter', `--net=${container.netns}`, 'ping', '-c1', '-W5', '172.16.0.3'];
      await run(ping);
      const held = openSync(other.netns, 'r');
      await other.kill();
      const isReaped = () => daemon.tool.stderr.includes('removed a VNIC without a workload');
      expect(await until(isReaped, 20_000 * patience)).toBe(true);
      closeSync(held);
      expect(await vnicsIn(ns)).toBe(2);
      expect(await daemon.call('DEL', container)).toMatchObject({ status: 0 });
      expect(await daemon.call('DEL', container, inNamed)).toMatchObject({ status: 0 });
      expect(await vnicsIn(ns)).toBe(0);
      expect(daemon.tool.stderr).not.toMatch(/could not judge/);
    },
  );
});

describe('the page about the audit', () => {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'audit.md'), 'utf8');
  const blocks = (language: string): string[] =>
    [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map(
      ([, code = '']) => code,
    );

  test('has commands that work', async () => {
    await using box = await Sandbox.open();
    const { snnet } = await stand(box);
    const lines = blocks('sh').flatMap((block) => block.trim().split('\n'));
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const [program, ...args] = line.replace(/ *#.*$/, '').split(' ');
      expect(program).toBe('snnet');
      const more = args.includes('serve') ? ['--help'] : [];
      expect(await snnet(...args, ...more)).toMatchObject({ status: 0, stderr: '' });
    }
  });

  test('has a program that works', async () => {
    await using box = await Sandbox.open();
    const { ns } = await stand(box);
    const [program = ''] = blocks('ts');
    const code = program
      .replace(/^import (.*) from '(.*)';$/gm, "const $1 = require('./dist');")
      .replace(/id: '([^']*)'/, "id: '$1', allowVethUplink: true");
    expect(code).not.toBe(program);
    const before = `const myContainers = new Set(); const tellConcentrator = () => undefined;
      const controller = new AbortController(); const { signal } = controller;
      const log = console.log; console.log = (...words) => { log(...words); controller.abort(); };`;
    const script = `(async () => { ${before}\n${code}\nawait node.close(); })();`;
    const { status, stdout, stderr } = await runChild({ code: script }, { ns });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '0 0\n', stderr: '' });
  });
});
