/** CHECK, GC and STATUS by CNI: what runtimes ask between ADD and DEL. */
import { needs } from '../support/reasons';
import { run } from '../support/run';
import type { Namespace } from '../support/sandbox';
import { CniBed, GATEWAY, inside, KEY } from './helpers/cni-bed';
import { ip } from './helpers/node';

const vxlan = needs('vxlan');

describe('CHECK', () => {
  vxlan('finds what somebody took, on either side', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    const prevResult = await bed.add(ns, { ip: '172.16.1.5' });
    const vnic = prevResult.interfaces[1]?.name ?? '';
    const check = () => bed.call('CHECK', ns, { config: { prevResult } });
    expect(await check()).toMatchObject({ status: 0, stdout: '' });
    const damages: [Namespace, string, string, RegExp][] = [
      [ns, 'link set eth0 down', 'link set eth0 up', /down/],
      [ns, 'route del default', `route add default via ${GATEWAY}`, /no route to 0.0.0.0/],
      [
        ns,
        'address del 172.16.1.5/24 dev eth0',
        'address add 172.16.1.5/24 dev eth0',
        /lost its address/,
      ],
      [
        ns,
        'link set eth0 address 02:00:00:00:00:99',
        'link set eth0 address 02:00:ac:10:01:05',
        /MAC/,
      ],
      [
        bed.ns,
        `link set ${vnic} nomaster`,
        `link set ${vnic} master ${prevResult.interfaces[0]?.name}`,
        /attached/,
      ],
      [bed.ns, `link set ${vnic} down`, `link set ${vnic} up`, /down/],
    ];
    for (const [where, damage, repair, says] of damages) {
      await ip(where, damage);
      const { status, result } = await check();
      expect([damage, status, result]).toEqual([
        damage,
        1,
        expect.objectContaining({ code: 106, msg: expect.stringMatching(says) }),
      ]);
      await ip(where, repair);
      // An interface that went down has lost its route.
      await run(['ip', '-n', ns.name, 'route', 'replace', 'default', 'via', GATEWAY]);
    }
    expect(await check()).toMatchObject({ status: 0 });
    await ip(ns, 'link delete eth0');
    expect((await check()).result).toMatchObject({ code: 106 });
    await bed.del(ns);
  });

  vxlan('wants to know what ADD said, and does not mind what others added', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    const prevResult = await bed.add(ns, { ip: '172.16.1.5' });
    expect(await bed.refusal('CHECK', ns, {})).toEqual([7, expect.stringMatching(/prevResult/)]);
    await ip(ns, 'address add 192.0.2.7/32 dev eth0', 'route add 192.0.2.0/24 dev eth0');
    expect(await bed.call('CHECK', ns, { config: { prevResult } })).toMatchObject({ status: 0 });
    expect((await bed.refusal('CHECK', ns, { containerId: 'c2', config: { prevResult } }))[0]).toBe(
      106,
    );
    await bed.del(ns);
  });
});

describe('GC and STATUS', () => {
  const cniVersion = '1.1.0';

  vxlan('what is not in the list goes, of this network alone', async () => {
    await using bed = await CniBed.open();
    const ns = await bed.container();
    const other = { name: 'other', tenantId: 'other', subnetKey: KEY + 1 };
    await bed.add(ns, { ifname: 'eth0', ip: '172.16.1.5' });
    await bed.add(ns, {
      ifname: 'eth1',
      ip: '172.16.1.6',
      config: { routes: [], runtimeConfig: { ips: ['172.16.1.6'] } },
    });
    await bed.add(ns, { ifname: 'eth2', config: { ...other, routes: [] }, args: 'IP=172.16.1.7' });
    const gc = (changes: object) =>
      bed.call('GC', undefined, {
        containerId: '',
        ifname: '',
        config: { cniVersion, ...changes },
      });
    const attachments = (...names: string[]) =>
      names.map((ifname) => ({ containerID: 'c1', ifname }));
    expect(await gc({})).toMatchObject({ status: 0, stdout: '' });
    expect(await gc({ 'cni.dev/valid-attachments': null })).toMatchObject({ status: 0 });
    expect(await inside(ns)).toEqual(['eth0', 'eth1', 'eth2']);
    expect(await gc({ 'cni.dev/valid-attachments': attachments('eth1') })).toMatchObject({
      status: 0,
    });
    expect(await inside(ns)).toEqual(['eth1', 'eth2']);
    expect(await gc({ 'cni.dev/attachments': [] })).toMatchObject({ status: 0 });
    expect(await inside(ns)).toEqual(['eth2']);
    for (const list of [7, ['x'], [{ ifname: 'eth0' }]]) {
      expect((await gc({ 'cni.dev/valid-attachments': list })).result).toMatchObject({ code: 7 });
    }
    await bed.restart();
    expect(await gc({ ...other, 'cni.dev/valid-attachments': [] })).toMatchObject({ status: 0 });
    expect(await inside(ns)).toEqual([]);
    const events = bed.events.map(({ kind, subnetKey }) => [kind, subnetKey]);
    expect(events).toEqual([
      ['tunnel-add', KEY],
      ['tunnel-add', KEY + 1],
      ['tunnel-del', KEY],
      ['tunnel-del', KEY + 1],
    ]);
  });

  vxlan('STATUS says whether an ADD could be served', async () => {
    await using bed = await CniBed.open();
    const status = (version: string) =>
      bed.call('STATUS', undefined, {
        containerId: '',
        ifname: '',
        config: { cniVersion: version },
      });
    expect(await status('1.1.0')).toMatchObject({ status: 0, stdout: '' });
    expect((await status('1.0.0')).result).toMatchObject({ code: 1 });
    await bed.server.node.close();
    expect((await status('1.1.0')).result).toMatchObject({ code: 50 });
    await bed.server.close();
    expect((await status('1.1.0')).result).toMatchObject({ code: 50 });
  });
});
