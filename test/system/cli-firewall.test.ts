/** The firewall by commands, each a process of its own. */
import { needs } from '../support/reasons';
import { run } from '../support/run';
import { Sandbox } from '../support/sandbox';
import { stand } from './helpers/stand';

const PUBLISH = [
  ...['--external-device', 'eth0', '--external-port', '33261'],
  ...['--internal-ip', '172.16.1.5', '--internal-port', '22'],
];

needs('nftables')(
  'firewall: opened by one process, changed by the next, looked at, gone',
  async () => {
    await using box = await Sandbox.open();
    const { ns, snnet, json } = await stand(box);
    const tables = async (): Promise<string> =>
      (await run(['nsenter', `--net=${ns.path}`, 'nft', 'list', 'tables'])).stdout;
    const dry = await snnet('firewall', 'open', '--external-devices', 'eth0', '--dry-run');
    expect(dry).toMatchObject({ status: 0, stderr: '' });
    expect(dry.stdout).toMatch(/^nft add table inet libsnnet/m);
    expect(dry.stdout).toContain('sysctl -w net.ipv4.ip_forward=1');
    expect(await tables()).toBe('');
    const opened = await json('firewall', 'open', '--external-devices', 'eth0');
    expect(opened).toMatchObject({ externalDevices: ['eth0'], forwarding: true });
    const planned = await snnet('firewall', 'publish', 'enable', ...PUBLISH, '--dry-run');
    expect(planned.stdout).toMatch(/^nft add element inet libsnnet ports_eth0/);
    expect(await json('firewall', 'publish', 'enable', ...PUBLISH)).toMatchObject({ changed: 1 });
    expect(await json('firewall', 'publish', 'enable', ...PUBLISH)).toMatchObject({ changed: 0 });
    const address = ['--external-device', 'eth0', '--internal-ip', '172.16.1.5'];
    const publicIp = [...address, '--public-ip', '198.51.100.77'];
    expect(await json('firewall', 'public-ip', 'enable', ...publicIp)).toMatchObject({
      changed: 1,
    });
    const pair = ['--external-device', 'eth0', '--internal-device', 'lo'];
    expect(await json('firewall', 'forward', 'enable', ...pair)).toMatchObject({ changed: 1 });
    const dump = await snnet('firewall', 'dump');
    expect(dump.stdout.split('\n')).toEqual([
      'table inet libsnnet',
      'outside eth0: masquerade',
      'inside cncitun',
      'inside lo',
      'forward lo -> eth0',
      'port eth0 tcp 33261 -> 172.16.1.5:22',
      'public 198.51.100.77 on eth0 <-> 172.16.1.5',
      '',
    ]);
    expect(await json('firewall', 'routing', 'disable')).toMatchObject({ changed: 1 });
    expect((await snnet('firewall', 'audit', '--check')).status).toBe(1);
    expect(await json('firewall', 'shutdown')).toEqual({ removed: true, forwarding: false });
    expect(await tables()).toBe('');
    expect(await snnet('firewall', 'state')).toMatchObject({ status: 1 });
  },
);

needs('nftables')('firewall: bad input is status 2 and names the option', async () => {
  await using box = await Sandbox.open();
  const { snnet } = await stand(box);
  await snnet('firewall', 'open', '--external-devices', 'eth0');
  const bad = PUBLISH.map((word) => (word === '33261' ? '65536' : word));
  const { status, stderr } = await snnet('firewall', 'publish', 'enable', ...bad);
  expect(status).toBe(2);
  expect(stderr).toContain('--external-port');
  await snnet('firewall', 'shutdown');
});
