import { formatAlias, LONGEST_ALIAS, parseAlias, parseScope, scopeOf } from '#lib/alias/index';
import type { ParsedAlias } from '#lib/alias/index';
import { parseIpv4, parseIpv4Cidr } from '#lib/model/index';
import { goldenAliases, goldenLinks } from './helpers/golden';
import { refusalOf } from './helpers/refusal';

const concIp = parseIpv4('198.51.100.9', 'concIp');
const vnicIp = parseIpv4('172.16.1.5', 'vnicIp');
const subnet = parseIpv4Cidr('172.16.1.0/24', 'subnet');
const ids = { tenantId: 't', subnetId: 's', concId: 'c' };
const scope = scopeOf({ ...ids, concIp });

const ALIASES: readonly (readonly [string, ParsedAlias])[] = [
  ['br_t_s_c_198.51.100.9', { type: 'cn-bridge', scope }],
  ['gre_t_s_c_198.51.100.9', { type: 'cn-tunnel', tunnel: 'gre', scope }],
  ['vxlan_t_s_c_198.51.100.9', { type: 'cn-tunnel', tunnel: 'vxlan', scope }],
  ['geneve_t_s_c_198.51.100.9', { type: 'cn-tunnel', tunnel: 'geneve', scope }],
  ['vnic_t_s_c_198.51.100.9##172.16.1.5', { type: 'cn-vnic', scope, vnicIp }],
  ['cncivnic_t_v', { type: 'cnci-vnic', tenantId: 't', vnicId: 'v' }],
  ['br_172.16.1.0+24', { type: 'cnci-bridge', subnet }],
  ['gre_172.16.1.0+24##198.51.100.9', { type: 'cnci-tunnel', tunnel: 'gre', subnet, cnIp: concIp }],
  [
    'geneve_172.16.1.0+24##198.51.100.9',
    { type: 'cnci-tunnel', tunnel: 'geneve', subnet, cnIp: concIp },
  ],
  ['vxlan_172.16.1.0+24', { type: 'cnci-tunnel', tunnel: 'vxlan', subnet }],
  ['cncitun', { type: 'mesh' }],
  ['trash', { type: 'trash' }],
  ['vxlan_anchor', { type: 'anchor' }],
];

const NOT_OURS = [
  '',
  'uplink to rack 7',
  'br_',
  'br_lan',
  'br_a_b_198.51.100.9',
  'br___c_198.51.100.9',
  'br_t_s_c_198.51.100.09',
  'br_t_s_c_fe80::1',
  'br_172.16.1.0/24',
  'br_172.16.1.1+24',
  'br_172.16.1.0+024',
  'br_172.16.1.0+33',
  'br_172.16.1.0++24',
  'gre_172.16.1.0+24',
  'gre_172.16.1.0+24##',
  'gre_172.16.1.0+24##198.51.100.9##198.51.100.9',
  'vxlan_172.16.1.0+24##198.51.100.9',
  'vnic_t_s_c_198.51.100.9',
  'vnic_t_s_c_198.51.100.9##',
  'vnic_t_s_c_198.51.100.9##172.16.1.5 ',
  'vnic_t_s_c##172.16.1.5',
  'cncivnic_',
  'cncivnic_t',
  'cncivnic_t_',
  'cncivnic__v',
  'CNCITUN',
  'cncitun2',
  'trash ',
  `br_${'t'.repeat(250)}_s_c_198.51.100.9`,
  'x'.repeat(1_000_000),
];

describe('reading and writing aliases', () => {
  it.each(ALIASES)('reads %s', (text, parsed) => {
    expect(parseAlias(text)).toEqual(parsed);
    expect(Object.isFrozen(parseAlias(text))).toBe(true);
  });

  it.each(ALIASES)('writes %s', (text, parsed) => {
    expect(formatAlias(parsed)).toBe(text);
  });

  it.each(NOT_OURS.map((text) => [text.slice(0, 60), text]))('does not know %p', (_, text) => {
    expect(parseAlias(text)).toBeUndefined();
  });

  it('accepts an alias of 255 bytes and refuses one of 256 before anything is created', () => {
    const rest = '_s_c_198.51.100.9';
    const tenantId = 't'.repeat(LONGEST_ALIAS - 'br_'.length - rest.length);
    const longest = scopeOf({ ...ids, tenantId, concIp });
    const text = formatAlias({ type: 'cn-bridge', scope: longest });
    expect(text).toHaveLength(255);
    expect(parseAlias(text)).toEqual({ type: 'cn-bridge', scope: longest });
    const error = refusalOf(() =>
      formatAlias({ type: 'cn-tunnel', tunnel: 'gre', scope: longest }),
    );
    expect(error.code).toBe('SNNET_ALIAS_TOO_LONG');
    expect(error.message).toContain('256 bytes, 1 too many');
  });

  it('counts bytes, not characters', () => {
    const wide = scopeOf({ ...ids, tenantId: 'ä'.repeat(125), concIp });
    const error = refusalOf(() => formatAlias({ type: 'cn-bridge', scope: wide }));
    expect(error.code).toBe('SNNET_ALIAS_TOO_LONG');
  });
});

describe('a scope', () => {
  it('is refused for an id with an underscore, naming the id', () => {
    const error = refusalOf(() => scopeOf({ ...ids, subnetId: 's_1', concIp }));
    expect(error).toMatchObject({ code: 'SNNET_ALIAS_AMBIGUOUS', field: 'subnetId', value: 's_1' });
  });

  it('may have underscores where links of the Go library are looked for, without telling its ids', () => {
    const loose = scopeOf({ ...ids, subnetId: 's_1', concIp }, { allowUnderscore: true });
    expect(loose).toEqual({ text: 't_s_1_c_198.51.100.9', concIp });
    expect(parseScope(loose.text)).toEqual(loose);
  });

  it('reads ids with characters that the Go library lets through', () => {
    expect(parseAlias('vnic_a##b_ü /_c#_198.51.100.9##172.16.1.5')).toMatchObject({
      scope: { ids: { tenantId: 'a##b', subnetId: 'ü /', concId: 'c#' } },
      vnicIp,
    });
  });
});

describe('what the Go library wrote', () => {
  it.each(goldenAliases())('reads and writes back %s', (text) => {
    const parsed = parseAlias(text);
    expect(parsed).toBeDefined();
    expect(formatAlias(parsed as ParsedAlias)).toBe(text);
  });

  it('links bridge, tunnel and VNIC by their scope though the ids are ambiguous', () => {
    const scopes = goldenAliases()
      .filter((text) => text.includes('suuid_1_0'))
      .map(parseAlias)
      .map((parsed) => (parsed !== undefined && 'scope' in parsed ? parsed.scope : undefined));
    expect(scopes).toHaveLength(3);
    for (const found of scopes) {
      expect(found).toEqual({
        text: 'tenantuuid_suuid_1_0_cnciuuid_192.168.254.1',
        concIp: '192.168.254.1',
      });
    }
  });

  it.each([
    [
      '07-topo-2tenants.iplink.json',
      { 'cn-bridge': 2, 'cn-tunnel': 2, 'cn-vnic': 4, 'cnci-vnic': 1 },
    ],
    [
      'vxlan-variant/07-topo-vxlan.iplink.json',
      { 'cn-bridge': 2, 'cn-tunnel': 2, 'cn-vnic': 4, 'cnci-vnic': 1 },
    ],
    ['08-cnci.iplink.json', { 'cnci-bridge': 2, 'cnci-tunnel': 2 }],
  ])('finds the whole topology of %s', (name, expected) => {
    const counts: Record<string, number> = {};
    for (const link of goldenLinks(name)) {
      const parsed = parseAlias(link.ifalias ?? '');
      if (parsed !== undefined) {
        counts[parsed.type] = (counts[parsed.type] ?? 0) + 1;
      }
    }
    expect(counts).toEqual(expected);
  });
});
