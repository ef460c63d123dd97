/** What a process left half done when it died, and what is half known: a new process puts it right. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCnci } from '#lib/cnci/index';
import { runChild } from '../support/child';
import { ipAddresses, ipLinks } from '../support/oracle';
import { needs } from '../support/reasons';
import { Sandbox } from '../support/sandbox';
import type { Namespace } from '../support/sandbox';
import { openUnderlay } from '../support/underlay';
import { Bed, doomed } from './helpers/bed';
import { DhcpBed } from './helpers/dhcp-bed';
import { ipv4Addresses, open, openStage, PUBLIC, WEB } from './helpers/firewall-bed';
import { optionsFor as cnciOptions } from './helpers/mesh';
import { linksOf, makeHost, openNode, optionsFor, vnicConfig } from './helpers/node';

/** Does something in a process of its own, which dies before the first step that `isNext` says. */
async function dieBefore(isNext: string, work: string, ...args: readonly object[]): Promise<void> {
  const code = `
    const [options, config] = JSON.parse(process.argv[1]);
    const fault = ({ steps }) => {
      const step = steps.findIndex(({ step }) => ${isNext});
      return step < 0 ? undefined : { step, kill: 'before' };
    };
    (async () => { ${work} })();`;
  const { signal, stderr } = await runChild({ code }, { args: [JSON.stringify(args)] });
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
}

const CREATE_VNIC = `
  const { openComputeNode } = require('./dist/compute-node');
  const node = await openComputeNode(options, { fault });
  await node.createVnic(config);`;

async function addressesIn(container: Namespace): Promise<string[]> {
  const rows = await ipAddresses(container);
  return rows.filter(({ family }) => family === 'inet').map(({ local }) => local);
}

const IS_INSIDE = 'step.netns !== undefined';
const IS_SYSCTL = "step.op === 'sysctl.set'";

describe('a container whose end was made and not brought up', () => {
  const test = needs('vxlan');

  async function leave(box: Sandbox) {
    const ns = await makeHost(box);
    const container = await box.netns('container');
    const config = vnicConfig(0, {
      role: 'container',
      attach: { netns: container.path, ifname: 'eth0' },
    });
    await dieBefore(IS_INSIDE, CREATE_VNIC, optionsFor(ns), config);
    return { ns, container, config };
  }

  test('is found, and finished by the same call', async () => {
    await using box = await Sandbox.open();
    const { ns, container, config } = await leave(box);
    await using node = await openNode(ns);
    const types = node.topology().findings.map(({ type }) => type);
    expect(types).toEqual(['open', 'unfinished']);
    expect(await node.createVnic(config)).toMatchObject({ created: false });
    expect(await addressesIn(container)).toEqual(expect.arrayContaining(['172.16.0.2']));
    const eth0 = (await ipLinks(container)).find(({ ifname }) => ifname === 'eth0');
    expect(eth0?.operstate).toBe('UP');
    // Once is enough.
    expect(await node.createVnic(config)).toMatchObject({ created: false });
    const { findings } = await node.audit();
    expect(findings.map(({ type }) => type)).not.toContain('unfinished');
    await node.resetNetwork();
    await node.settle();
  });

  test('goes by a repair, with the subnet that was made for it', async () => {
    await using box = await Sandbox.open();
    const { ns, container } = await leave(box);
    await using node = await openNode(ns);
    const { repaired, left, events } = await node.repair();
    expect(repaired.map(({ type }) => type)).toContain('unfinished');
    expect(left).toEqual([]);
    expect(events).toMatchObject([{ kind: 'tunnel-del' }]);
    await node.settle();
    expect(await linksOf(ns)).toEqual([]);
    expect((await ipLinks(container)).map(({ ifname }) => ifname)).not.toContain('eth0');
  });

  test('is left alone when it comes up meanwhile, as one that a runtime has just moved', async () => {
    await using box = await Sandbox.open();
    const { ns, container } = await leave(box);
    await using node = await openNode(ns);
    const repairing = node.repair();
    await box.exec(container, ['ip', 'link', 'set', 'eth0', 'up']);
    await repairing;
    expect(node.topology().vnics).toHaveLength(1);
    await node.resetNetwork();
    await node.settle();
  });
});

needs('vxlan')(
  'a bridge that was not closed to router advertisements is found and closed',
  async () => {
    await using box = await Sandbox.open();
    const ns = await makeHost(box);
    await dieBefore(IS_SYSCTL, CREATE_VNIC, optionsFor(ns), vnicConfig());
    await using node = await openNode(ns);
    expect(node.topology().findings).toMatchObject([{ type: 'open', remedy: 'close' }]);
    expect((await node.repair()).left).toEqual([]);
    expect(node.topology().findings).toEqual([]);
    const bridge = (await linksOf(ns)).find(({ ifalias }) => ifalias?.startsWith('br_'));
    const setting = `net.ipv6.conf.${bridge?.ifname ?? ''}.disable_ipv6`;
    expect((await box.exec(ns, ['sysctl', '-n', setting])).stdout).toBe('1\n');
    await node.resetNetwork();
    await node.settle();
  },
);

needs('vxlan')('a concentrator closes its bridges when it is opened again', async () => {
  await using box = await Sandbox.open();
  const { cnci: ns } = await openUnderlay(box, ['cnci']);
  const work = `
    const { openCnci } = require('./dist/cnci');
    const cnci = await openCnci(options, { fault });
    await cnci.addRemoteSubnet(config);`;
  const remote = { subnet: '172.16.1.0/24', subnetKey: 5, cnIp: '198.51.100.9' };
  const options = cnciOptions('vxlan', ns.path);
  await dieBefore(IS_SYSCTL, work, options, remote);
  await using cnci = await openCnci(options, {});
  const bridge = cnci.topology().subnets[0]?.bridge?.linkName ?? '';
  expect(cnci.topology().findings).toEqual([]);
  const setting = `net.ipv6.conf.${bridge}.accept_ra`;
  expect((await box.exec(ns, ['sysctl', '-n', setting])).stdout).toBe('0\n');
  await cnci.shutdown();
});

describe('a firewall', () => {
  const test = needs('nftables');
  const publish = (action: string): string => `
    const { openFirewall } = require('./dist/firewall');
    const isLast = ({ operation, steps }) => operation === 'publicIpAccess' ? fault({ steps }) : undefined;
    const firewall = await openFirewall(options, { fault: isLast });
    await firewall.publicIpAccess('${action}', config);`;
  const address = { internalIp: WEB, publicIp: PUBLIC, externalDevice: 'eth0' };

  test('gives no device an address that its table does not know of', async () => {
    await using box = await Sandbox.open();
    const stage = await openStage(box);
    const options = { externalDevices: ['eth0'], netns: stage.cnci.path, timeoutMs: 60_000 };
    const before = await ipv4Addresses(stage.cnci);
    await dieBefore("step.op === 'address.add'", publish('enable'), options, address);
    expect(await ipv4Addresses(stage.cnci)).toEqual(before);
    {
      await using firewall = await open(stage);
      expect((await firewall.state()).publicIps).toHaveLength(1);
      expect(await ipv4Addresses(stage.cnci)).toContain(`eth0 ${PUBLIC}/32`);
    }
    await dieBefore("step.op === 'nft'", publish('disable'), options, address);
    expect(await ipv4Addresses(stage.cnci)).toEqual(before);
    await using firewall = await open(stage);
    await firewall.publicIpAccess('disable', address);
    await firewall.shutdown();
    expect(await ipv4Addresses(stage.cnci)).toEqual(before);
  });
});

needs('dnsmasq')(
  'files that somebody did not come to rename go when the next one opens',
  async () => {
    await using bed = await DhcpBed.open();
    await bed.forget(await bed.servers());
    writeFileSync(join(bed.files, '.names.0123456789ab'), '');
    writeFileSync(join(bed.files, '.172.16.1.0-24.hosts.0123456789ab'), '');
    await bed.servers();
    expect(bed.list().filter((name) => name.startsWith('.'))).toEqual([]);
  },
);

test('links whose deletion was answered by nothing are gone, and nobody says otherwise', async () => {
  await using bed = await Bed.open({ fault: () => ({ step: 0, errno: 'ENOBUFS', done: true }) });
  await bed.ip('link add leaf index 4242 type veth peer name other');
  await bed.ip('link add name bridge index 4243 type bridge');
  const retire = [{ ...doomed(4243, 'bridge'), trashName: 'sbr_trash' }];
  await bed.run([{ op: 'link.delete', links: [doomed(4242, 'leaf')], retire }]);
  await bed.kernel.settle();
  expect(await bed.names()).toEqual(['lo']);
});
