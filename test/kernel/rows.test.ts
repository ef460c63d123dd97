/** A dump of links of several kinds, read as `ip` reads it. */
import { ipLink } from '../support/oracle';
import { Bed } from './helpers/bed';

let bed: Bed;

beforeAll(async () => {
  bed = await Bed.open({ shared: true });
});
afterAll(() => bed.close());

test('what some rows have and others lack stays with the row that has it', async () => {
  const names = { plain: 'm-a', other: 'm-b', named: 'm-c', tunnel: 'm-d', last: 'm-e' };
  await bed.ip(`link add ${names.plain} type bridge`);
  await bed.ip(`link add ${names.other} type veth peer name ${names.named}`);
  await bed.ip(`link property add dev ${names.named} altname m-other`);
  const ends = 'local 192.0.2.1 remote 192.0.2.2';
  await bed.ip(`link add ${names.tunnel} type vxlan id 7 dstport 4790 ${ends}`);
  await bed.ip(`link add ${names.last} type bridge`);
  const data = { key: 7, port: 4790, local: '192.0.2.1', remote: '192.0.2.2' };
  const expected = {
    plain: { kind: 'bridge' },
    other: { kind: 'veth' },
    named: { kind: 'veth', altNames: ['m-other'] },
    tunnel: { kind: 'vxlan', data },
    last: { kind: 'bridge' },
  };
  for (const key of ['plain', 'other', 'named', 'tunnel', 'last'] as const) {
    const row = await bed.row(names[key]);
    const { address } = await ipLink(bed.ns, names[key]);
    expect(row).toMatchObject({ ...expected[key], ifname: names[key], address });
    expect([row.data, row.altNames]).toEqual([
      'data' in expected[key] ? data : undefined,
      key === 'named' ? ['m-other'] : undefined,
    ]);
  }
});
