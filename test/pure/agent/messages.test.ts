import {
  formatAgentReport,
  formatAgentRequest,
  parseAgentReport,
  parseAgentRequest,
  readPublicIpTexts,
  subnetKeyOf,
} from '#lib/agent/messages/index';
import type { AgentReportKind, AgentRequestKind } from '#lib/agent/messages/index';
import { parseIpv4Cidr } from '#lib/model/index';
import { refusalOf as refusal } from '../helpers/refusal';
import { payloadsOf } from '../ssntp/vectors';

const REQUESTS: Readonly<Record<string, AgentRequestKind>> = {
  tenant_added: 'tenant-added',
  tenant_removed: 'tenant-removed',
  assign_public_ip: 'assign-public-ip',
  release_public_ip: 'release-public-ip',
  cnci_refresh: 'refresh-cnci',
};
const REPORTS: Readonly<Record<string, AgentReportKind>> = {
  concentrator_instance_added: 'concentrator-instance-added',
  public_ip_assigned: 'public-ip-assigned',
  public_ip_unassigned: 'public-ip-unassigned',
};

const isReadable = (payload: string): boolean => !/not-an-ip|base-?60/.test(payload);
/** The programs of the original asked the scheduler with MACs of digits that they had not quoted. */
const isCanonical = (payload: string): boolean => !/: (\d\d:){5}\d\d\n/.test(payload);

const topOf = (payload: string): string => /^\w+(?=:)/.exec(payload)?.[0] ?? '';
const payloads = payloadsOf();
const requests = payloads.filter((text) => topOf(text) in REQUESTS);
const reports = payloads.filter((text) => topOf(text) in REPORTS);
const failures = payloads.filter((text) => /^reason: /m.test(text));

test('there are vectors of every kind', () => {
  expect(new Set(requests.map(topOf))).toEqual(new Set(Object.keys(REQUESTS)));
  expect(new Set(reports.map(topOf))).toEqual(new Set(Object.keys(REPORTS)));
  expect(failures.length).toBeGreaterThanOrEqual(4);
});

test.each(requests.filter(isReadable))(
  'a request is read, and written byte for byte:\n%s',
  (text) => {
    const request = parseAgentRequest(REQUESTS[topOf(text)]!, text);
    expect(Object.isFrozen(request)).toBe(true);
    if (isCanonical(text)) expect(formatAgentRequest(request)).toBe(text);
    expect(parseAgentRequest(request.kind, formatAgentRequest(request))).toEqual(request);
  },
);

test.each([...reports, ...failures])('a report is read, and written byte for byte:\n%s', (text) => {
  const isFailure = topOf(text) === 'concentrator_uuid';
  const failure = text.includes('assign_failure') ? 'assign' : 'unassign';
  const kind = isFailure ? (`${failure}-public-ip-failure` as const) : REPORTS[topOf(text)]!;
  expect(formatAgentReport(parseAgentReport(kind, text))).toBe(text);
});

const ADDED = requests.find((text) => topOf(text) === 'tenant_added')!;
const ASSIGN = requests.find((text) => topOf(text) === 'assign_public_ip' && isReadable(text))!;

const change = (text: string, field: string, value: string): string =>
  text.replace(new RegExp(`(${field}:) .*`), `$1 ${value}`);

describe('what is wrong is named, with its value', () => {
  test.each([
    ['agent_ip', 'not-an-ip'],
    ['agent_ip', '224.0.0.1'],
    ['agent_ip', 'fe80::1'],
    ['tenant_subnet', '172.16.1.0'],
    ['tenant_subnet', '172.16.1.0/33'],
    ['tenant_subnet', '127.0.0.0/8'],
    ['subnet_key', '0'],
    ['subnet_key', '4294967296'],
    ['subnet_key', '-1'],
    ['subnet_key', '1.5'],
    ['subnet_key', '0x10'],
    ['agent_uuid', 'a b'],
    ['concentrator_ip', '1.2.3'],
    ['tunnel', 'stt'],
  ])('%s: %s', (field, value) => {
    const text = field === 'tunnel' ? `${ADDED}  tunnel: ${value}\n` : change(ADDED, field, value);
    const error = refusal(() => parseAgentRequest('tenant-added', text));
    expect(error).toMatchObject({
      code: 'SNNET_INPUT_INVALID',
      operation: 'parseAgentRequest',
      field: `tenant_added.${field}`,
    });
    expect(error.message).toContain(value);
  });

  test.each(['agent_uuid', 'agent_ip', 'tenant_subnet', 'subnet_key'])('%s is missing', (field) => {
    for (const value of ['', '~', 'null', '""']) {
      const error = refusal(() => parseAgentRequest('tenant-added', change(ADDED, field, value)));
      expect(error).toMatchObject({ code: 'SNNET_INPUT_MISSING', field: `tenant_added.${field}` });
    }
  });

  test('an entry of a refresh is named by its place', () => {
    const text = requests.find(
      (one) => one.includes('10.88.2.3') && topOf(one) === 'cnci_refresh',
    )!;
    const bad = text.replace('10.88.2.3', '10.88.2.333');
    expect(refusal(() => parseAgentRequest('refresh-cnci', bad)).field).toMatch(
      /^cnci_refresh\.cncis\[\d\]\.physical_ip$/,
    );
  });
});

test.each([
  ['no YAML', 'tenant_added: [1'],
  ['a list', '- 1\n'],
  ['nothing', ''],
  ['a text', 'hello'],
  ['two documents', `${ADDED}---\n${ADDED}`],
  ['the same key twice', `${ADDED}${ADDED}`],
  ['another kind', ADDED.replace('tenant_added', 'tenant_removed')],
  ['fields that are no mapping', 'tenant_added: 3\n'],
  ['nesting without end', 'tenant_added: '.padEnd(60_000, '[')],
  ['aliases of aliases', aliases()],
  ['too much', `${ADDED}# ${'x'.repeat(70_000)}\n`],
  ['NUL', 'tenant_added: "\0"'],
])('%s is refused as unreadable', (_what, text) => {
  const error = refusal(() => parseAgentRequest('tenant-added', text));
  expect(error).toMatchObject({ code: 'SNNET_MESSAGE_UNREADABLE', operation: 'parseAgentRequest' });
});

test('a payload that is no text, and a kind that is none, are refused', () => {
  expect(refusal(() => parseAgentRequest('tenant-added', 3 as never)).code).toBe(
    'SNNET_MESSAGE_UNREADABLE',
  );
  expect(refusal(() => parseAgentRequest('constructor' as never, ADDED)).field).toBe('kind');
});

test('nothing of JavaScript is reached by a name', () => {
  const text = 'tenant_added:\n  __proto__: {agent_ip: 192.0.2.1}\n  constructor: x\n';
  expect(refusal(() => parseAgentRequest('tenant-added', text)).code).toBe('SNNET_INPUT_MISSING');
  expect(({} as { agent_ip?: string }).agent_ip).toBeUndefined();
});

test('unknown fields are passed over, and key order does not matter', () => {
  const lines = ADDED.trimEnd().split('\n');
  const shuffled = [lines[0], '  extra: {deep: [1, 2]}', ...lines.slice(1).reverse()].join('\n');
  expect(parseAgentRequest('tenant-added', shuffled)).toEqual(
    parseAgentRequest('tenant-added', ADDED),
  );
});

test('JSON is YAML', () => {
  const text = JSON.stringify({
    assign_public_ip: { public_ip: '10.1.2.3', private_ip: '172.16.1.2' },
  });
  expect(parseAgentRequest('assign-public-ip', text)).toMatchObject({
    publicIp: '10.1.2.3',
    concentratorUuid: '',
  });
});

test.each(['52:54:00:12:34:56', '02:00:10:20:30:40', '00:00:00:00:00:01', '99:99:99:99:99:98'])(
  'the MAC %s stays a text, in quotes or without, and is written in quotes',
  (mac) => {
    for (const written of [mac, `"${mac}"`, `'${mac}'`]) {
      const request = parseAgentRequest('assign-public-ip', change(ASSIGN, 'vnic_mac', written));
      expect(request).toMatchObject({ vnicMac: mac });
      expect(formatAgentRequest(request)).toContain(`vnic_mac: "${mac}"\n`);
    }
  },
);

test.each([
  '1e10',
  '0x10',
  '012',
  'yes',
  '~x',
  '1_000',
  '12:30:45',
  '2001-01-01',
  '.inf',
  '- x',
  'a: b',
  '# x',
  '',
])('a text that looks like something else comes back as it is: %s', (instanceUuid) => {
  const quoted = JSON.stringify(instanceUuid);
  const request = parseAgentRequest('assign-public-ip', change(ASSIGN, 'instance_uuid', quoted));
  expect(request).toMatchObject({ instanceUuid });
  expect(parseAgentRequest('assign-public-ip', formatAgentRequest(request))).toEqual(request);
});

test('a subnet with the bits of a host is its network', () => {
  const text = change(ADDED, 'tenant_subnet', '172.16.1.77/24');
  expect(parseAgentRequest('tenant-added', text)).toMatchObject({ tenantSubnet: '172.16.1.0/24' });
});

test('UUIDs in capitals are the same', () => {
  expect(
    parseAgentRequest(
      'tenant-added',
      ADDED.toUpperCase().replace(/^\s*[A-Z_]+(?=:)/gm, (name) => name.toLowerCase()),
    ),
  ).toEqual(parseAgentRequest('tenant-added', ADDED));
});

test('the kind of tunnel travels where it is said', () => {
  const request = parseAgentRequest('tenant-added', `${ADDED}  tunnel: vxlan\n`);
  expect(request).toMatchObject({ tunnel: 'vxlan' });
  expect(formatAgentRequest(request)).toBe(`${ADDED}  tunnel: vxlan\n`);
  expect(parseAgentRequest('tenant-added', ADDED)).not.toHaveProperty('tunnel');
});

test('of a request that cannot be done, the fields come back as they were', () => {
  const text = payloads.find(
    (one) => one.includes('not-an-ip') && topOf(one) === 'assign_public_ip',
  )!;
  expect(refusal(() => parseAgentRequest('assign-public-ip', text)).field).toBe(
    'assign_public_ip.public_ip',
  );
  expect(readPublicIpTexts('assign-public-ip', text)).toMatchObject({ publicIp: 'not-an-ip' });
  expect(readPublicIpTexts('assign-public-ip', '[')).toBeUndefined();
});

test.each([
  ['172.16.1.0/24', 69_804],
  ['192.168.200.128/25', 2_160_634_048],
  ['10.0.0.0/8', 10],
  ['0.0.0.0/1', undefined],
])('the key of %s is %s', (subnet, key) => {
  expect(subnetKeyOf(parseIpv4Cidr(subnet, 'subnet'))).toBe(key);
});

function aliases(): string {
  const names = [...'abcdefghij'];
  const lines = names.map((name, index) => {
    const items = Array.from({ length: 9 }, () => (index === 0 ? 'x' : `*${names[index - 1]!}`));
    return `${name}: &${name} [${items.join(', ')}]`;
  });
  return `${lines.join('\n')}\n`;
}
