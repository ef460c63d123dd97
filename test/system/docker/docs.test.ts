/** What docs/docker.md tells operators to type, and the unit that it tells them to install. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../support/child';
import { Dockerd, IMAGE } from '../../support/dockerd';
import { needs } from '../../support/reasons';
import { run } from '../../support/run';
import { Sandbox } from '../../support/sandbox';
import { Tool } from '../../support/tool';
import { Scratch } from './bed';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs', 'docker.md'), 'utf8');
const UNIT = join(PACKAGE_ROOT, 'packaging', 'systemd', 'snnet-docker-plugin.service');
const CLI = join(PACKAGE_ROOT, 'dist', 'cli', 'main.js');
const MINUTE_MS = 60_000;

/** The fenced blocks of one language. */
function blocks(language: string): string[] {
  return [...PAGE.matchAll(/```(\w+)\n(.*?)```/gs)].flatMap(([, found, text = '']) =>
    found === language ? [text] : [],
  );
}

/** Link names are chosen at random. */
function withoutNames(text: string): string {
  return text.replaceAll(/\b(s(?:br|vn|vp)_)[0-9a-f]+/g, '$1…').trim();
}

/** The commands for docker among what was printed. */
function dockerCommands(text: string): string[] {
  return [...text.matchAll(/^ {2}(docker .*)$/gm)].map(([, command = '']) => command);
}

needs('docker', 'vxlan')(
  'the page’s commands, typed one after the other, with the configuration that it shows',
  async () => {
    using scratch = new Scratch();
    await using box = await Sandbox.open();
    const ns = await box.netns('node');
    const far = await box.netns('far');
    await box.link({ ns, name: 'eth0', address: '198.51.100.1/24' }, { ns: far, name: 'eth0' });
    const snnet = join(scratch.path, 'snnet');
    writeFileSync(snnet, `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`);
    chmodSync(snnet, 0o755);
    const [config = ''] = blocks('ini');
    const settings = config.split('\n').filter((line) => /^[A-Z]/.test(line));
    await using dockerd = await Dockerd.open(ns, { plugin: false });
    const plugin = await dockerd.startPlugin([], settings);
    expect(plugin.stdout).toContain('docker finds ciao at tcp://127.0.0.1:9999');

    const env = {
      PATH: `${scratch.path}:/usr/sbin:/usr/bin:/sbin:/bin`,
      SNNET_ID: 'cn1',
      SNNET_MODE: 'vxlan',
      SNNET_COMPUTE_NET: '198.51.100.0/24',
      SNNET_ALLOW_VETH_UPLINK: '1',
    };
    const type = async (commands: string): Promise<string> =>
      (await dockerd.exec(['sh', '-euc', commands], { env })).stdout;
    const [, create = '', destroy = ''] = blocks('sh');
    const [created = '', destroyed = ''] = blocks('text');

    const told = await type(create);
    expect(withoutNames(told)).toBe(withoutNames(created));
    const [makeNetwork = '', runOne = ''] = dockerCommands(told);
    await type(makeNetwork.replaceAll(' snnet ', ' ciao '));
    const container = runOne.replace('docker run', 'docker run --rm').replace('IMAGE', IMAGE);
    expect(await type(`${container} ip -4 address show eth0`)).toContain('inet 172.16.1.5/24');

    const toldAtLast = await type(destroy);
    expect(withoutNames(toldAtLast)).toBe(withoutNames(destroyed));
    for (const command of dockerCommands(toldAtLast)) await type(command);
    expect(await type('docker network ls -q --filter driver=ciao')).toBe('');
  },
  2 * MINUTE_MS,
);

test('the unit is where the page says, and takes what the page explains', () => {
  const [install = ''] = blocks('sh');
  expect(install).toContain('libsnnet/packaging/systemd/snnet-docker-plugin.service');
  const unit = readFileSync(UNIT, 'utf8');
  expect(unit).toContain('Type=notify');
  for (const [, name = ''] of unit.matchAll(/\b(SNNET_[A-Z_]+)/g)) expect(PAGE).toContain(name);
  expect(PAGE).toContain(/^EnvironmentFile=-(.*)$/m.exec(unit)?.[1]);
});

needs('systemd-analyze')('the unit is one that systemd understands, and calls safe', async () => {
  using scratch = new Scratch();
  const copy = join(scratch.path, 'snnet-docker-plugin.service');
  const command = `ExecStart=${process.execPath} ${CLI} docker-plugin`;
  writeFileSync(copy, readFileSync(UNIT, 'utf8').replace(/^ExecStart=.*$/m, command));
  const { status, stderr } = await run(['systemd-analyze', 'verify', '--man=no', copy], {
    check: false,
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const security = ['systemd-analyze', 'security', '--offline=true', '--no-pager'];
  // Of 100, which is no protection at all.
  await run([...security, '--threshold=20', copy]);
});

test('the plugin works without any capability', async () => {
  using scratch = new Scratch();
  await using box = await Sandbox.open();
  const ns = await box.netns('node');
  const powerless = ['setpriv', '--inh-caps=-all', '--ambient-caps=-all', '--bounding-set=-all'];
  const argv = ['nsenter', `--net=${ns.path}`, ...powerless, process.execPath, CLI];
  const words = ['docker-plugin', '--address', `unix://${scratch.path}/plugin.sock`];
  const directories = ['--data-dir', `${scratch.path}/data`, '--spec-dir', `${scratch.path}/spec`];
  await using tool = await Tool.start([...argv, ...words, ...directories], {
    ready: /docker finds snnet at unix:/,
  });
  const status = readFileSync(`/proc/${String(tool.pid)}/status`, 'utf8');
  expect(/^CapEff:\s*(\w+)$/m.exec(status)?.[1]).toBe('0000000000000000');
  await tool.stop();
  expect(existsSync(`${scratch.path}/plugin.sock`)).toBe(false);
});
