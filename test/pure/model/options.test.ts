import {
  parseCallOptions,
  parseCnciOptions,
  parseNodeOptions,
  parseRemoteSubnet,
} from '#lib/model/index';
import { hostileValues, refusalOf } from '../helpers/refusal';

const DEFAULTS = {
  mode: 'auto',
  computeNets: [],
  managementNets: [],
  maxConcurrency: 8,
  timeoutMs: 6000,
  allowVethUplink: false,
  vxlanPort: 4789,
  genevePort: 6081,
};

const FULL = {
  id: 'node-1',
  mode: 'geneve',
  computeNets: ['198.51.100.0/24', '203.0.113.0/24'],
  managementNets: ['192.0.2.0/24'],
  netns: '/run/netns/a',
  maxConcurrency: 1024,
  timeoutMs: 86_400_000,
  logger: console,
  allowVethUplink: true,
  vxlanPort: 8472,
  genevePort: 65535,
};

describe('options of a node', () => {
  it('have defaults for all but the id', () => {
    const options = parseNodeOptions({ id: 'node-1' });
    expect(options).toEqual({ id: 'node-1', ...DEFAULTS });
    expect(Object.isFrozen(options)).toBe(true);
    expect(Object.isFrozen(options.computeNets)).toBe(true);
    expect(Object.keys(options)).not.toEqual(expect.arrayContaining(['netns']));
  });

  it('come out as they went in', () => {
    expect(parseNodeOptions(FULL)).toEqual(FULL);
  });

  it('are copied: a later change of the lists has no effect', () => {
    const computeNets = ['198.51.100.0/24'];
    const options = parseNodeOptions({ id: 'n', computeNets });
    computeNets.push('203.0.113.0/24');
    expect(options.computeNets).toEqual(['198.51.100.0/24']);
  });

  it.each([
    ['id', ''],
    ['mode', 'routed'],
    ['computeNets', '198.51.100.0/24'],
    ['computeNets', Array.from({ length: 257 }, () => '198.51.100.0/24')],
    ['computeNets', { length: 1, 0: '198.51.100.0/24' }],
    ['netns', 'a/b'],
    ['netns', '..'],
    ['netns', '.'],
    ['netns', '/run/netns/a\0b'],
    ['netns', 'n'.repeat(256)],
    ['maxConcurrency', 0],
    ['maxConcurrency', 1025],
    ['timeoutMs', 0],
    ['timeoutMs', 86_400_001],
    ['logger', {}],
    ['allowVethUplink', 'yes'],
    ['vxlanPort', 0],
    ['genevePort', 65536],
  ])('refuse as %s the value %p', (field, value) => {
    expect(refusalOf(() => parseNodeOptions({ id: 'n', [field]: value }))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      operation: 'ComputeNode.open',
      field,
    });
  });

  it('name the element of a list that is wrong', () => {
    const computeNets = ['198.51.100.0/24', '198.51.100.7/24'];
    expect(refusalOf(() => parseNodeOptions({ id: 'n', computeNets }))).toMatchObject({
      field: 'computeNets[1]',
      value: '198.51.100.7/24',
    });
    const sparse: string[] = [];
    sparse[1] = '198.51.100.0/24';
    expect(refusalOf(() => parseNodeOptions({ id: 'n', computeNets: sparse })).field).toBe(
      'computeNets[0]',
    );
  });

  it('refuse a list that cannot be read, or that goes on for ever', () => {
    const trap = (): never => {
      throw new Error('a trap');
    };
    const endless = new Proxy([], { get: (_, name) => (name === 'length' ? Infinity : 'x') });
    for (const computeNets of [new Proxy([], { get: trap }), endless]) {
      expect(refusalOf(() => parseNodeOptions({ id: 'n', computeNets })).field).toBe('computeNets');
    }
  });

  it('accept an empty list as none', () => {
    expect(parseNodeOptions({ id: 'n', computeNets: [] }).computeNets).toEqual([]);
  });

  it.each(hostileValues())('refuse %s in their place', (_, value) => {
    expect(refusalOf(() => parseNodeOptions(value)).operation).toBe('ComputeNode.open');
    expect(refusalOf(() => parseCnciOptions(value)).operation).toBe('Cnci.open');
    for (const field of ['id', 'mode', 'maxConcurrency', 'logger', 'allowVethUplink']) {
      expect(refusalOf(() => parseNodeOptions({ ...FULL, [field]: value })).field).toBe(field);
    }
  });

  it('are missing when nothing is passed', () => {
    expect(refusalOf(() => parseNodeOptions(undefined))).toMatchObject({
      code: 'SNNET_INPUT_MISSING',
      field: 'options',
    });
  });
});

describe('options of a concentrator', () => {
  it('are those of a node and the tenant', () => {
    const mesh = { meshMode: 'auto', meshPrefixLength: 18, dhcp: {} };
    expect(parseCnciOptions({ ...FULL, tenantId: 't' })).toEqual({
      ...FULL,
      ...mesh,
      tenantId: 't',
    });
    expect(refusalOf(() => parseCnciOptions(FULL))).toMatchObject({
      code: 'SNNET_INPUT_MISSING',
      operation: 'Cnci.open',
      field: 'tenantId',
    });
  });
});

describe('a remote subnet', () => {
  const REMOTE = { subnet: '192.168.7.0/24', subnetKey: 7, cnIp: '198.51.100.2' };

  it('may name its own kind of tunnel', () => {
    expect(parseRemoteSubnet(REMOTE, 'addRemoteSubnet')).toEqual(REMOTE);
    const vxlan = parseRemoteSubnet({ ...REMOTE, mode: 'vxlan' }, 'addRemoteSubnet');
    expect(vxlan).toEqual({ ...REMOTE, mode: 'vxlan' });
    expect(Object.isFrozen(vxlan)).toBe(true);
  });

  it.each([
    ['subnet', '192.168.7.1/24'],
    ['subnet', '192.168.7.0'],
    ['subnetKey', 0],
    ['cnIp', ''],
    ['cnIp', '224.0.0.1'],
    ['mode', 'auto'],
  ])('is refused with %s %p', (field, value) => {
    expect(
      refusalOf(() => parseRemoteSubnet({ ...REMOTE, [field]: value }, 'addRemoteSubnet')),
    ).toMatchObject({
      operation: 'addRemoteSubnet',
      field,
      value,
    });
  });
});

describe('options of a call', () => {
  it('may be left out', () => {
    expect(parseCallOptions(undefined, 'createVnic')).toEqual({});
    expect(parseCallOptions({}, 'createVnic')).toEqual({});
    expect(parseCallOptions({ signal: undefined, timeoutMs: undefined }, 'createVnic')).toEqual({});
  });

  it('keep the signal itself', () => {
    const { signal } = new AbortController();
    const options = parseCallOptions({ signal, timeoutMs: 5 }, 'createVnic');
    expect(options.signal).toBe(signal);
    expect(options.timeoutMs).toBe(5);
    expect(Object.isFrozen(options)).toBe(true);
  });

  it.each([
    ['signal', { aborted: false }],
    ['signal', true],
    ['timeoutMs', 0],
    ['timeoutMs', Number.NaN],
    ['timeoutMs', 86_400_001],
  ])('refuse as %s the value %p', (field, value) => {
    expect(refusalOf(() => parseCallOptions({ [field]: value }, 'createVnic'))).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      operation: 'createVnic',
      field,
    });
  });

  it.each(hostileValues().filter(([, value]) => typeof value !== 'object' || value === null))(
    'refuse %s in their place',
    (_, value) => {
      expect(refusalOf(() => parseCallOptions(value, 'createVnic')).operation).toBe('createVnic');
    },
  );

  it.each(hostileValues())('refuse %s as a signal', (_, signal) => {
    expect(refusalOf(() => parseCallOptions({ signal }, 'createVnic')).field).toBe('signal');
  });

  it('offer the right name for a misspelt one', () => {
    expect(refusalOf(() => parseCallOptions({ timeout: 5 }, 'createVnic')).message).toBe(
      'Expected only known fields, but got timeout; did you mean timeoutMs?',
    );
  });
});
