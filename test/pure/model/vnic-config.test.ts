import * as fc from 'fast-check';

import { APIError } from '#lib/errors/index';
import {
  parseCnciVnicConfig,
  parseCnciVnicRef,
  parseVnicConfig,
  parseVnicRef,
} from '#lib/model/index';
import type { VnicConfigInput } from '#lib/model/index';
import { checkProperty } from '../../support/property';
import { hostileValues, refusalOf } from '../helpers/refusal';

const VALID: VnicConfigInput = {
  role: 'vm',
  tenantId: '67d86208-b46c-4465-9018-e14187d40101',
  subnetId: 'subnet-1',
  concId: 'cnci-1',
  concIp: '198.51.100.9',
  vnicId: 'vnic-1',
  instanceId: 'instance_1',
  vnicIp: '172.16.1.5',
  vnicMac: '02:00:ac:10:01:05',
  subnet: '172.16.1.0/24',
  subnetKey: 69804,
  mtu: 1400,
  queues: 4,
};

const REQUIRED = [
  'tenantId',
  'subnetId',
  'concId',
  'concIp',
  'vnicId',
  'vnicIp',
  'vnicMac',
  'subnet',
  'subnetKey',
] as const;

const create = (change: object): unknown => parseVnicConfig({ ...VALID, ...change }, 'createVnic');

function without(...names: readonly string[]): object {
  return Object.fromEntries(Object.entries(VALID).filter(([name]) => !names.includes(name)));
}

describe('parsing what a VNIC is to be', () => {
  it('gives a frozen copy', () => {
    const parsed = parseVnicConfig(VALID, 'createVnic');
    expect(parsed).toEqual(VALID);
    expect(parsed).not.toBe(VALID);
    expect(Object.isFrozen(parsed)).toBe(true);
  });

  it('fills in a VM with one queue, and leaves out what is not known', () => {
    const parsed = parseVnicConfig(without('role', 'queues', 'mtu', 'instanceId'), 'createVnic');
    expect(parsed).toMatchObject({ role: 'vm', queues: 1 });
    expect(Object.keys(parsed)).not.toEqual(expect.arrayContaining(['mtu']));
    expect('instanceId' in parsed).toBe(false);
  });

  it('takes an explicit undefined for an absent value', () => {
    expect(create({ mtu: undefined, role: undefined })).not.toHaveProperty('mtu');
    expect(refusalOf(() => create({ subnet: undefined })).code).toBe('SNNET_INPUT_MISSING');
  });

  it('puts UUIDs and MAC addresses into lower case', () => {
    const parsed = create({ tenantId: VALID.tenantId.toUpperCase(), vnicMac: '02:00:AC:10:01:05' });
    expect(parsed).toEqual(VALID);
  });

  it.each(REQUIRED)('names %s when it is missing', (field) => {
    expect(refusalOf(() => parseVnicConfig(without(field), 'createVnic'))).toMatchObject({
      code: 'SNNET_INPUT_MISSING',
      operation: 'createVnic',
      field,
    });
  });

  it.each([
    ['role', 'data-center'],
    ['tenantId', 'a_b'],
    ['subnetId', 'a b'],
    ['concId', 'a/b'],
    ['concIp', 'fe80::1'],
    ['concIp', '198.51.100.009'],
    ['concIp', '0.0.0.0'],
    ['vnicId', 'a#b'],
    ['instanceId', ''],
    ['vnicIp', '::ffff:172.16.1.5'],
    ['vnicMac', '01:00:ac:10:01:05'],
    ['subnet', '172.16.1.5/24'],
    ['subnet', '172.16.1.0/31'],
    ['subnet', 'fd00::/64'],
    ['subnet', ''],
    ['subnetKey', 0],
    ['subnetKey', 2 ** 32],
    ['subnetKey', '69804'],
    ['mtu', 67],
    ['mtu', 65536],
    ['queues', 0],
    ['queues', 257],
  ])('refuses as %s the value %p', (field, value) => {
    expect(refusalOf(() => create({ [field]: value }))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      operation: 'createVnic',
      field,
      value,
    });
  });

  it.each([
    ['172.16.2.5', /an address inside 172\.16\.1\.0\/24/],
    ['172.16.1.0', /it is the network address/],
    ['172.16.1.1', /it is the gateway address/],
    ['172.16.1.255', /it is the broadcast address/],
  ])('refuses %s as address of a workload in 172.16.1.0/24', (vnicIp, message) => {
    const error = refusalOf(() => create({ vnicIp }));
    expect(error).toMatchObject({ operation: 'createVnic', field: 'vnicIp', value: vnicIp });
    expect(error.message).toMatch(message);
  });

  it('gives several queues to VMs only', () => {
    expect(create({ role: 'container', queues: 1 })).toMatchObject({ role: 'container' });
    expect(refusalOf(() => create({ role: 'container' })).field).toBe('queues');
  });

  it('names the first of several bad fields and lists the others', () => {
    const error = refusalOf(() => create({ tenantId: '', mtu: 1, subnet: '10.0.0.1/8' }));
    expect(error.field).toBe('tenantId');
    expect(error.detail).toBe('also refused: subnet, mtu');
    const both = refusalOf(() => create({ concIp: 'fe80::1', mtu: 1 }));
    expect(both.detail).toBe('IPv6 is not supported here; also refused: mtu');
  });
});

describe('unknown fields', () => {
  it.each([
    ['tenantID', 'tenantId'],
    ['vnicMAC', 'vnicMac'],
    ['tenant_id', 'tenantId'],
    ['subnetKy', 'subnetKey'],
  ])('are refused: for %s the right name is offered', (wrong, right) => {
    const error = refusalOf(() => create({ [wrong]: 'x' }));
    expect(error).toMatchObject({
      code: 'SNNET_INPUT_UNKNOWN',
      operation: 'createVnic',
      field: wrong,
    });
    expect(error.message).toContain(`did you mean ${right}?`);
  });

  it.each(['colour', '__proto__', 'constructor', 'x'.repeat(1_000_000)])(
    'are refused: %.40s',
    (name) => {
      const input = Object.defineProperty({ ...VALID }, name, { enumerable: true, value: 1 });
      const error = refusalOf(() => parseVnicConfig(input, 'createVnic'));
      expect(error.code).toBe('SNNET_INPUT_UNKNOWN');
      expect(error.message).toContain('only the fields role, tenantId');
      expect(error.message.length).toBeLessThan(500);
    },
  );

  it('are refused however many there are', () => {
    const many = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, index) => [`f${String(index)}`, 1]),
    );
    expect(refusalOf(() => create(many)).field).toBe('f0');
  });

  it('are reported before the fields that they leave missing', () => {
    const input = { ...without('tenantId'), tenantID: VALID.tenantId };
    expect(refusalOf(() => parseVnicConfig(input, 'createVnic')).message).toBe(
      'Expected only known fields, but got tenantID; did you mean tenantId?',
    );
  });
});

describe('hostile input', () => {
  it.each(hostileValues())('is refused as a whole: %s', (_, value) => {
    for (const parse of [parseVnicConfig, parseVnicRef, parseCnciVnicConfig, parseCnciVnicRef]) {
      const error = refusalOf(() => parse(value, 'createVnic'));
      expect(error.operation).toBe('createVnic');
      expect(error.message.length).toBeLessThan(1000);
    }
  });

  it.each(hostileValues())('is refused in every field: %s', (_, value) => {
    for (const field of Object.keys(VALID)) {
      const error = refusalOf(() => create({ [field]: value }));
      expect(error).toMatchObject({ code: 'SNNET_INPUT_INVALID', operation: 'createVnic', field });
      expect(error.message.length).toBeLessThan(500);
      expect(JSON.stringify(error).length).toBeLessThan(2000);
    }
  });

  it('is refused when a getter throws, naming the field and keeping the cause', () => {
    const cause = new RangeError('a trap');
    const input = Object.defineProperty({ ...VALID }, 'concIp', {
      enumerable: true,
      get: () => {
        throw cause;
      },
    });
    const error = refusalOf(() => parseVnicConfig(input, 'createVnic'));
    expect(error).toMatchObject({ code: 'SNNET_INPUT_INVALID', field: 'concIp', cause });
  });

  it('cannot change its answer between two readings', () => {
    let readings = 0;
    const input = Object.defineProperty({ ...VALID }, 'tenantId', {
      enumerable: true,
      get: () => {
        readings += 1;
        return readings === 1 ? 'tenant' : '../../etc';
      },
    });
    expect(parseVnicConfig(input, 'createVnic').tenantId).toBe('tenant');
    expect(readings).toBe(1);
  });

  it('gets an APIError or a config from anything at all', async () => {
    const field = fc.constantFrom(...Object.keys(VALID), 'other');
    await checkProperty(
      fc.property(fc.dictionary(field, fc.anything()), (change) => {
        let outcome: unknown;
        try {
          outcome = Object.isFrozen(create(change));
        } catch (error) {
          outcome = error instanceof APIError;
        }
        expect(outcome).toBe(true);
      }),
    );
  });
});

describe('parsing which VNIC is meant', () => {
  it('accepts what the Go library may have made', () => {
    const ref = parseVnicRef(
      { ...VALID, subnetId: 'suuid_1_0', vnicIp: '172.16.1.1' },
      'destroyVnic',
    );
    expect(ref).toMatchObject({ subnetId: 'suuid_1_0', vnicIp: '172.16.1.1' });
    expect(Object.isFrozen(ref)).toBe(true);
  });

  it('is the same as for creation otherwise', () => {
    expect(parseVnicRef(VALID, 'destroyVnic')).toEqual(parseVnicConfig(VALID, 'createVnic'));
    expect(
      refusalOf(() => parseVnicRef({ ...VALID, tenantId: 'a/b' }, 'destroyVnic')),
    ).toMatchObject({
      operation: 'destroyVnic',
      field: 'tenantId',
    });
  });
});

describe('the VNIC of a concentrator', () => {
  const CNCI = { tenantId: 'tuuid', vnicId: 'cvuuid', vnicMac: '02:00:aa:cb:84:41' };

  it('is a macvtap in bridge mode unless told otherwise', () => {
    expect(parseCnciVnicConfig(CNCI, 'createCnciVnic')).toEqual({ ...CNCI, mode: 'bridge' });
    expect(parseCnciVnicConfig({ ...CNCI, mode: 'vepa' }, 'createCnciVnic').mode).toBe('vepa');
    expect(refusalOf(() => parseCnciVnicConfig({ ...CNCI, mode: 'private' }, 'x')).field).toBe(
      'mode',
    );
  });

  it('has ids with underscores only if it exists already', () => {
    const loose = { ...CNCI, vnicId: 'a_b' };
    expect(refusalOf(() => parseCnciVnicConfig(loose, 'createCnciVnic')).field).toBe('vnicId');
    expect(parseCnciVnicRef(loose, 'destroyCnciVnic')).toMatchObject({
      vnicId: 'a_b',
      mode: 'bridge',
    });
  });
});

describe('where a container’s end is put', () => {
  const container = { role: 'container', queues: 1 } as const;

  it('is parsed, with eth0 and the default route unless told otherwise', () => {
    const attach = { netns: '/proc/7/ns/net' };
    const parsed = parseVnicConfig({ ...VALID, ...container, altName: 'c1.eth0', attach }, 'test');
    expect(parsed.altName).toBe('c1.eth0');
    expect(parsed.attach).toEqual({ netns: '/proc/7/ns/net', ifname: 'eth0' });
    expect(Object.isFrozen(parsed.attach)).toBe(true);
  });

  it.each([
    ['altName', { altName: 'a b' }],
    ['altName', { altName: 'x'.repeat(128) }],
    ['attach', { attach: 'eth0' }],
    ['attach.netns', { attach: {} }],
    ['attach.netns', { attach: { netns: 'a/b' } }],
    ['attach.netns', { attach: { netns: '/a\0b' } }],
    ['attach.ifname', { attach: { netns: '/a', ifname: 'a%d' } }],
    ['attach.ifname', { attach: { netns: '/a', ifname: 'x'.repeat(16) } }],
    ['attach.ifname', { attach: { netns: '/a', ifname: '..' } }],
    ['attach.nets', { attach: { netns: '/a', nets: 1 } }],
    ['attach.routes', { attach: { netns: '/a', routes: {} } }],
    ['attach.routes[0].destination', { attach: { netns: '/a', routes: [{}] } }],
    [
      'attach.routes[0].via',
      { attach: { netns: '/a', routes: [{ destination: '0.0.0.0/0', via: '192.0.2.1' }] } },
    ],
  ])('is refused by its name: %s', (field, changes) => {
    expect(refusalOf(() => create({ ...container, ...changes })).field).toBe(field);
  });

  it('is refused for a VM', () => {
    expect(refusalOf(() => create({ queues: 1, attach: { netns: '/a' } })).field).toBe('attach');
  });
});
