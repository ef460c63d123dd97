import {
  PORT_BYTES,
  debugSshPortForIp,
  keyAt,
  parseDeviceName,
  parseFirewallAction,
  parseFirewallOptions,
  parseForwardings,
  parsePortMappings,
  parsePublicIps,
  targetAt,
  viewOf,
} from '#lib/model/index';
import type { PortMapping } from '#lib/model/index';
import { portMapping } from '#lib/ruleset/ledger';
import { hostileValues, refusalOf } from '../helpers/refusal';

const MAPPING = {
  protocol: 'tcp',
  externalDevice: 'eth0',
  externalPort: 33258,
  internalIp: '172.16.1.2',
  internalPort: 22,
} as const;

/** Parsed mappings, in words again. */
function mappingsIn(input: unknown): PortMapping[] {
  return parsePortMappings(input, 'op').flatMap(({ device, ports }) => {
    const view = viewOf(ports);
    return Array.from({ length: ports.length / PORT_BYTES }, (_, index) => {
      const at = index * PORT_BYTES;
      return portMapping(device, keyAt(view, at), targetAt(view, at));
    });
  });
}

describe('the port that leads to a workload’s SSH', () => {
  it.each([
    ['192.168.0.0', 33000],
    ['192.168.1.2', 33258],
    ['10.9.126.255', 65511],
    ['10.9.127.22', 65534],
    ['::ffff:192.168.1.2', 33258],
    ['::FFFF:10.0.0.1', 33001],
  ])('of %s is %d', (ip, port) => {
    expect(debugSshPortForIp(ip)).toBe(port);
  });

  it.each(['10.9.127.23', '10.9.128.0', '10.9.255.255'])('of %s would be none', (ip) => {
    const error = refusalOf(() => debugSshPortForIp(ip));
    expect(error).toMatchObject({ operation: 'debugSshPortForIp', field: 'ip', value: ip });
    expect(error.message).toContain('its port would be');
  });

  const OTHERS: [string, unknown][] = [
    ['an IPv6 address', '2001:db8::1'],
    ['half an address', '::ffff:1.2'],
  ];
  it.each([...hostileValues(), ...OTHERS])('of %s is refused', (_name, value) => {
    expect(refusalOf(() => debugSshPortForIp(value as string)).field).toBe('ip');
  });
});

describe('port mappings', () => {
  it('are one or many', () => {
    expect(mappingsIn(MAPPING)).toEqual([MAPPING]);
    expect(mappingsIn([MAPPING, MAPPING])).toEqual([MAPPING, MAPPING]);
    expect(mappingsIn([])).toEqual([]);
  });

  it('of several devices keep their order in each', () => {
    const list = ['eth0', 'eth0', 'eth1', 'eth0'].map((externalDevice, index) => ({
      ...MAPPING,
      externalDevice,
      externalPort: 1000 + index,
      protocol: index === 1 ? ('udp' as const) : ('tcp' as const),
    }));
    expect(mappingsIn(list)).toEqual([list[0], list[1], list[3], list[2]]);
  });

  it('that are no plain objects are read like others', () => {
    class Mapping {
      readonly protocol = 'udp';
      readonly externalDevice = 'eth0';
      readonly externalPort = 53;
      readonly internalIp = '::ffff:172.16.1.2';
      readonly internalPort = 5353;
    }
    const inherited = Object.create(MAPPING) as object;
    expect(mappingsIn([new Mapping()])).toEqual([{ ...new Mapping(), internalIp: '172.16.1.2' }]);
    for (const input of [inherited, [inherited]]) refusalOf(() => parsePortMappings(input, 'op'));
  });

  it('take the addresses of dual-stack sockets', () => {
    const [parsed] = mappingsIn({ ...MAPPING, internalIp: '::ffff:172.16.1.2' });
    expect(parsed?.internalIp).toBe('172.16.1.2');
  });

  it.each([
    ['protocol', 'sctp'],
    ['protocol', 'TCP'],
    ['externalPort', 0],
    ['externalPort', 65536],
    ['externalPort', '22'],
    ['internalPort', 0],
    ['internalPort', 65536],
    ['internalIp', '::1'],
    ['internalIp', '0.0.0.0'],
    ['internalIp', '224.0.0.1'],
    ['internalIp', '172.16.1.0/24'],
    ['externalDevice', ''],
    ['externalDevice', 'a name of 16 byte'],
    ['externalDevice', 'eth0/1'],
    ['externalDevice', 'sbr_1'],
  ])('with %s %j are refused', (field, value) => {
    const error = refusalOf(() =>
      parsePortMappings({ ...MAPPING, [field]: value }, 'extPortAccess'),
    );
    expect(error).toMatchObject({ operation: 'extPortAccess', field, value });
  });

  it('say which of a list is bad', () => {
    const list = [MAPPING, { ...MAPPING, externalPort: 0 }];
    expect(refusalOf(() => parsePortMappings(list, 'op')).field).toBe('list[1].externalPort');
    const unknown = [{ ...MAPPING, portt: 1 }];
    expect(refusalOf(() => parsePortMappings(unknown, 'op')).field).toBe('list[0].portt');
    expect(refusalOf(() => parsePortMappings(new Array(60_001), 'op')).field).toBe('list');
  });

  it.each(hostileValues())('are not %s', (name, value) => {
    if (name === 'an empty list') return;
    expect(() => parsePortMappings(value, 'op')).toThrow();
    refusalOf(() => parsePortMappings(value, 'op'));
  });
});

describe('pairs, public addresses, actions', () => {
  it('a device does not forward to itself', () => {
    const pair = { externalDevice: 'eth0', internalDevice: 'eth0' };
    expect(refusalOf(() => parseForwardings(pair, 'extFwding'))).toMatchObject({
      field: 'internalDevice',
      operation: 'extFwding',
    });
  });

  it('a public address is another one', () => {
    const same = { internalIp: '10.0.0.1', publicIp: '::ffff:10.0.0.1', externalDevice: 'eth0' };
    expect(refusalOf(() => parsePublicIps(same, 'op')).field).toBe('publicIp');
  });

  it.each(hostileValues())('an action is not %s', (_name, value) => {
    expect(refusalOf(() => parseFirewallAction(value, 'op')).field).toBe('action');
  });

  it.each(hostileValues())('a device is not called %s', (_name, value) => {
    refusalOf(() => parseDeviceName(value, 'device'));
  });
});

describe('options of a firewall', () => {
  it('have defaults', () => {
    expect(parseFirewallOptions({})).toEqual({
      externalDevices: [],
      internalDevices: [],
      guardInput: true,
      readOnly: false,
      timeoutMs: 6000,
    });
  });

  it('name a device once, on one side', () => {
    const options = parseFirewallOptions({ externalDevices: ['eth0', 'eth0'] });
    expect(options.externalDevices).toEqual(['eth0']);
    const both = { externalDevices: ['eth0'], internalDevices: ['eth0'] };
    expect(refusalOf(() => parseFirewallOptions(both))).toMatchObject({
      operation: 'Firewall.open',
      field: 'internalDevices',
    });
  });
});
