/** What a runtime says: its environment, its network configuration, and what it wants for one container. */
import { parseArguments, parseEnvironment } from '#lib/cni/environment';
import { hasIpam, parseHead, parseNetwork, tellFailure } from '#lib/cni/network-config';
import { toCniFailure } from '#lib/cni/failure';
import { parseWishes } from '#lib/cni/wishes';
import type { Ipv4Cidr } from '#lib/model/index';

const SUBNET = '172.16.1.0/24' as Ipv4Cidr;
const ADD = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c1',
  CNI_NETNS: '/run/netns/c1',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IP=172.16.1.5;MAC=02:00:00:00:00:05',
};
const NETWORK = {
  tenantId: 'alpha',
  subnetId: 'web',
  concId: 'cnci-alpha',
  concIp: '198.51.100.21',
  subnet: SUBNET,
  subnetKey: 101,
};
const CONFIG = { cniVersion: '1.0.0', name: 'web', type: 'snnet-cni', ...NETWORK };

/** Code and message of what is thrown. */
function refusalOf(body: () => unknown): [number, string] {
  try {
    body();
  } catch (error) {
    const { code, message } = toCniFailure(error);
    return [code, message];
  }
  throw new Error('it was not refused');
}
const head = (changes: object = {}) => parseHead(JSON.stringify({ ...CONFIG, ...changes }));
const network = (changes: object = {}) => parseNetwork(head(changes), 'ADD');

describe('the environment', () => {
  test('is read whole', () => {
    expect(parseEnvironment(ADD)).toEqual({
      command: 'ADD',
      containerId: 'c1',
      netns: '/run/netns/c1',
      ifname: 'eth0',
      args: { ip: '172.16.1.5', mac: '02:00:00:00:00:05' },
    });
  });

  test('DEL needs no namespace, GC and STATUS need nothing', () => {
    const del = { ...ADD, CNI_COMMAND: 'DEL', CNI_NETNS: '', CNI_ARGS: 'what=ever' };
    expect(parseEnvironment(del)).toMatchObject({ command: 'DEL', netns: '', args: {} });
    for (const command of ['GC', 'STATUS']) {
      const empty = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_ARGS: '' };
      expect(parseEnvironment({ ...empty, CNI_COMMAND: command })).toMatchObject({ command });
    }
  });

  test.each([
    [{ CNI_COMMAND: 'UPDATE' }, /CNI_COMMAND, but got "UPDATE"/],
    [{ CNI_NETNS: '', CNI_IFNAME: '' }, /ADD needs CNI_NETNS, CNI_IFNAME/],
    [{ CNI_CONTAINERID: '../x' }, /CNI_CONTAINERID/],
    [{ CNI_CONTAINERID: '-x' }, /CNI_CONTAINERID/],
    [{ CNI_IFNAME: 'a/b' }, /CNI_IFNAME/],
    [{ CNI_IFNAME: '..' }, /CNI_IFNAME/],
    [{ CNI_IFNAME: 'abcdefghijklmnop' }, /CNI_IFNAME/],
    [{ CNI_IFNAME: 'ääääääää' }, /CNI_IFNAME/],
    [{ CNI_NETNS: 'netns' }, /CNI_NETNS/],
    [{ CNI_ARGS: 'TENANT=t9' }, /CNI_ARGS, but got "TENANT"/],
    [{ CNI_ARGS: 'IgnoreUnknown=0;TENANT=t9' }, /CNI_ARGS/],
    [{ CNI_ARGS: 'IP' }, /CNI_ARGS/],
  ])('%j is refused with code 4, and the variable is named', (changes, says) => {
    const [code, message] = refusalOf(() => parseEnvironment({ ...ADD, ...changes }));
    expect(code).toBe(4);
    expect(message).toMatch(says);
  });

  test('arguments come in any order, and unknown ones where that is said', () => {
    expect(parseArguments('K8S_POD_NAME=p;IgnoreUnknown=true;X=1;IP=172.16.1.5')).toEqual({
      ip: '172.16.1.5',
    });
    expect(parseArguments('')).toEqual({});
    expect(parseArguments('IP=;MAC=;')).toEqual({});
  });
});

describe('the network configuration', () => {
  test('has the names of a VNIC’s configuration', () => {
    const full = {
      mtu: 1400,
      mode: 'auto',
      dns: { search: ['a'] },
      routes: [{ dst: '10.0.0.0/8' }],
    };
    expect(network(full)).toEqual({
      ...NETWORK,
      mtu: 1400,
      mode: 'auto',
      dns: { search: ['a'] },
      routes: [{ destination: '10.0.0.0/8' }],
    });
  });

  test('what runtimes add to it is no matter', () => {
    const added = {
      capabilities: { ips: true },
      runtimeConfig: {},
      prevResult: {},
      args: {},
      ipam: {},
      daemonSocket: '/run/x',
      'cni.dev/valid-attachments': [],
    };
    expect(network(added)).toEqual(NETWORK);
  });

  test.each([
    ['{', 6, /is not JSON/],
    ['[]', 6, /not a JSON object/],
    [JSON.stringify({ ...CONFIG, cniVersion: '2.0.0' }), 1, /incompatible CNI version: "2.0.0"/],
    [JSON.stringify({ ...CONFIG, cniVersion: undefined }), 1, /incompatible CNI version: none/],
    [JSON.stringify({ ...CONFIG, name: '../web' }), 7, /has no name/],
    [JSON.stringify({ ...CONFIG, subnetKey: 'ten' }), 7, /subnetKey/],
    [JSON.stringify({ ...CONFIG, tenantId: undefined }), 7, /tenantId, but it is missing/],
    [JSON.stringify({ ...CONFIG, tenant: 't1' }), 2, /tenant/],
    [JSON.stringify({ ...CONFIG, subnetkey: 1 }), 2, /did you mean subnetKey/],
    [JSON.stringify({ ...CONFIG, routes: [{ dst: '::/0' }] }), 7, /routes\[0\]\.dst/],
    [JSON.stringify({ ...CONFIG, dns: { nameservers: 'x' } }), 7, /nameservers/],
  ])('%s: code %d', (text, code, says) => {
    const refused = refusalOf(() => parseNetwork(parseHead(text), 'ADD'));
    expect(refused[0]).toBe(code);
    expect(refused[1]).toMatch(says);
  });

  test('an IPAM plugin is one with a type', () => {
    expect(hasIpam(head({ ipam: { type: 'host-local' } }))).toBe(true);
    for (const ipam of [undefined, {}, { type: '' }, { type: 7 }, 'host-local', null]) {
      expect(hasIpam(head({ ipam }))).toBe(false);
    }
  });

  test('a failure is told in the version that the runtime speaks', () => {
    const failure = toCniFailure(new Error('no'));
    const told = (config: string): unknown => JSON.parse(tellFailure(failure, config));
    expect(told('{"cniVersion":"0.4.0"}')).toEqual({ cniVersion: '0.4.0', code: 100, msg: 'no' });
    expect(told('{"cniVersion":"9.9.9"}')).toMatchObject({ cniVersion: '1.1.0' });
    expect(told('{')).toMatchObject({ cniVersion: '1.1.0' });
  });
});

describe('what is wanted for one container', () => {
  const wishes = (changes: object, args = {}) => parseWishes(head(changes), args, SUBNET);

  test.each([
    ['a capability', { runtimeConfig: { ips: ['172.16.1.5/24'], mac: '02:00:00:00:00:05' } }, {}],
    [
      'one that Go capitalised',
      { runtimeConfig: { IPs: ['172.16.1.5'], MAC: '02:00:00:00:00:05' } },
      {},
    ],
    ['args', { args: { cni: { ips: ['172.16.1.5'], mac: '02:00:00:00:00:05' } } }, {}],
    ['CNI_ARGS', {}, { ip: '172.16.1.5', mac: '02:00:00:00:00:05' }],
    [
      'the same twice',
      { runtimeConfig: { ips: ['172.16.1.5', '172.16.1.5'] } },
      { ip: '172.16.1.5', mac: '02:00:00:00:00:05' },
    ],
  ])('address and MAC come by %s', (_by, changes, args) => {
    expect(wishes(changes, args)).toEqual({ address: '172.16.1.5', mac: '02:00:00:00:00:05' });
  });

  test('name servers come as containerd writes them', () => {
    const dns = { Servers: ['10.96.0.10'], Searches: ['cluster.local'], Options: ['ndots:5'] };
    expect(wishes({ runtimeConfig: { dns } })).toEqual({
      dns: { nameservers: ['10.96.0.10'], search: ['cluster.local'], options: ['ndots:5'] },
    });
  });

  test('nothing is a wish too', () => {
    expect(wishes({})).toEqual({});
    expect(wishes({ runtimeConfig: null, args: { cni: null } })).toEqual({});
    expect(wishes({ runtimeConfig: { ips: [], mac: '', portMappings: [{}] } })).toEqual({});
  });

  test.each([
    [{ runtimeConfig: { ips: ['172.16.1.5', '172.16.1.6'] } }, {}, /ips/],
    [{ runtimeConfig: { ips: ['172.16.1.5'] } }, { ip: '172.16.1.6' }, /172.16.1.5 172.16.1.6/],
    [{ runtimeConfig: { ips: ['172.16.1.5/16'] } }, {}, /runtimeConfig.ips\[0\]/],
    [{ runtimeConfig: { ips: ['fd00::1'] } }, {}, /IPv6 is not supported/],
    [{ runtimeConfig: { ips: '172.16.1.5' } }, {}, /runtimeConfig.ips/],
    [{ runtimeConfig: { mac: 'xx' } }, {}, /runtimeConfig.mac/],
    [{ runtimeConfig: [] }, {}, /runtimeConfig/],
    [{}, { mac: '01:00:5e:00:00:01' }, /MAC of CNI_ARGS/],
  ])('%j and %j are refused with code 7', (changes, args, says) => {
    const [code, message] = refusalOf(() => wishes(changes, args));
    expect(code).toBe(7);
    expect(message).toMatch(says);
  });
});
