/** What docs/vm.md shows is what the methods give. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CnciVnic, Vnic } from '#lib/compute-node/vnic';
import type { KnownVnic } from '#lib/topology/index';

import { PACKAGE_ROOT } from '../support/child';

const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'vm.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w*)\n([^`]*)```$/gm)].map(([, kind = '', text = '']) => ({
  kind,
  text: text.trimEnd(),
}));
const lines = blocks.filter(({ kind }) => kind === '').flatMap(({ text }) => text.split('\n'));
const blockOf = (kind: string): string => blocks.find((block) => block.kind === kind)?.text ?? '';

const known: KnownVnic = {
  ifIndex: 7,
  linkName: 'svn_8e69eb97',
  alias: 'vnic_t_s_c_192.0.2.9##172.16.1.5',
  mtu: 1450,
  mac: '02:00:00:00:00:77',
  role: 'vm',
  ip: '172.16.1.5',
  multiQueue: false,
  altNames: [],
  peerName: undefined,
  peerMac: undefined,
};
const ids = { tenantId: 't', subnetId: 's', concId: 'c', vnicId: 'v', mac: '02:00:ac:10:01:05' };
const one = new Vnic(known, ids, undefined);
const handed = new Vnic({ ...known, multiQueue: true }, ids, [20, 21, 22, 23]);
const found = new Vnic({ ...known, multiQueue: true }, { ...ids, queues: 4 }, undefined);
const cnci = new CnciVnic({ ...known, mac: '02:00:00:00:01:01', mtu: 1500 }, 't', 'v');

test('every command line of the page is one that a launcher gets, and all of them are there', () => {
  const given = [one, handed, cnci].flatMap((vnic) => [
    vnic.qemuArgs().join(' '),
    vnic.cloudHypervisorArgs().join(' '),
  ]);
  expect([...lines].sort()).toEqual([...given, found.qemuArgs().join(' ')].sort());
});

test('the page’s JSON and XML are what Firecracker and libvirt get', () => {
  expect(JSON.parse(blockOf('json'))).toEqual(one.firecrackerInterface());
  expect(blockOf('xml')).toBe(one.libvirtInterface());
});
