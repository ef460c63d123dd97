import { drawMermaid, drawTree } from '#lib/draw/index';
import type { DrawableCnci, DrawableFinding, DrawableNode } from '#lib/draw/index';

const ids = { tenantId: 'alpha', subnetId: 'web', concId: 'cnci-alpha' };
const scope = 'alpha_web_cnci-alpha_198.51.100.21';

function nodeWith(findings: readonly DrawableFinding[] = []): DrawableNode {
  const vnic = { mtu: 1458, role: 'container', mac: '02:00:ac:10:01:05' };
  return {
    type: 'compute-node',
    id: 'cn1',
    mode: 'gre',
    computeLink: { linkName: 'eth0', address: '198.51.100.11', mtu: 1500 },
    subnets: [
      {
        scope,
        ids,
        concIp: '198.51.100.21',
        bridge: { linkName: 'sbr_1', ifIndex: 10, mtu: 1458 },
        tunnel: { linkName: 'sgt_2', ifIndex: 11, mtu: 1458, kind: 'gre', key: 101 },
        vnics: [
          { ...vnic, linkName: 'svn_3', ifIndex: 12, ip: '172.16.1.5', interfaceName: 'svp_3' },
          {
            linkName: 'svn_4',
            ifIndex: 13,
            mtu: 1458,
            role: 'vm',
            ip: '172.16.1.6',
            interfaceName: 'svn_4',
          },
        ],
      },
    ],
    cnciVnics: [
      {
        linkName: 'svc_5',
        ifIndex: 14,
        mtu: 1500,
        tenantId: 'beta',
        vnicId: 'v',
        mac: '02:00:00:00:00:01',
      },
    ],
    findings,
  };
}

const cnci: DrawableCnci = {
  type: 'cnci',
  id: 'cnci-alpha',
  tenantId: 'alpha',
  mode: 'gre',
  computeLink: { linkName: 'eth0', address: '198.51.100.21', mtu: 1500 },
  subnets: [
    {
      subnet: '172.16.1.0/24',
      gateway: '172.16.1.1',
      bridge: { linkName: 'sbr_a', ifIndex: 20, mtu: 1458 },
      tunnels: [
        { kind: 'gre', cnIp: '198.51.100.11', linkName: 'sgt_b', ifIndex: 21, key: 101 },
        { kind: 'gre', cnIp: '198.51.100.12', linkName: 'sgt_c', ifIndex: 22, key: 101 },
      ],
    },
  ],
  findings: [],
};

const text = (...lines: readonly string[]): string => lines.join('\n');

test('a compute node is drawn with its tenants, bridges, tunnels and VNICs', () => {
  expect(drawTree(nodeWith())).toBe(
    text(
      'compute node cn1 · eth0 198.51.100.11 · MTU 1500',
      '├─ tenant alpha',
      '│  └─ subnet web · bridge sbr_1 · MTU 1458',
      '│     ├─ tunnel sgt_2 · gre key 101 → CNCI cnci-alpha at 198.51.100.21',
      '│     ├─ container svn_3 → svp_3 · 172.16.1.5 · 02:00:ac:10:01:05',
      '│     └─ vm svn_4 · 172.16.1.6',
      '└─ CNCI VNIC svc_5 · 02:00:00:00:00:01 · tenant beta',
    ),
  );
});

test('a concentrator is drawn with its gateway and its tunnels to each node', () => {
  expect(drawTree(cnci)).toBe(
    text(
      'CNCI cnci-alpha · eth0 198.51.100.21 · MTU 1500',
      '└─ tenant alpha',
      '   └─ subnet 172.16.1.0/24 · gateway 172.16.1.1 · bridge sbr_a · MTU 1458',
      '      ├─ tunnel sgt_b · gre key 101 → 198.51.100.11',
      '      └─ tunnel sgt_c · gre key 101 → 198.51.100.12',
    ),
  );
});

test('the mesh is drawn with its neighbours, and as a line between two concentrators', () => {
  const mesh = {
    linkName: 'cncitun',
    ifIndex: 30,
    mtu: 1472,
    kind: 'gre',
    key: 5,
    tunnelIp: '192.168.64.1',
    neighbours: [
      { tunnelIp: '192.168.64.2', physicalIp: '198.51.100.22', subnet: '172.16.2.0/24' },
    ],
  };
  expect(drawTree({ ...cnci, subnets: [], mesh })).toBe(
    text(
      'CNCI cnci-alpha · eth0 198.51.100.21 · MTU 1500',
      '└─ tenant alpha',
      '   └─ mesh cncitun · 192.168.64.1 · gre key 5 · MTU 1472',
      '      └─ → CNCI 192.168.64.2 at 198.51.100.22 · subnet 172.16.2.0/24',
    ),
  );
  const other: DrawableCnci = {
    ...cnci,
    computeLink: { ...cnci.computeLink, address: '198.51.100.22' },
    subnets: [],
    mesh: { ...mesh, neighbours: [{ tunnelIp: '192.168.64.1', physicalIp: '198.51.100.21' }] },
  };
  const lines = drawMermaid([{ ...cnci, mesh }, other]).split('\n');
  expect(lines.filter((line) => line.includes('<=='))).toEqual(['  n0m <== "gre key 5" ==> n1m']);
});

test('the ASCII picture has no other characters', () => {
  const picture = drawTree([nodeWith(), cnci], { ascii: true });
  expect(picture).toMatch(/^[\x20-\x7e\n]*$/);
  expect(picture).toContain(
    text(
      '|  `- subnet web, bridge sbr_1, MTU 1458',
      '|     +- tunnel sgt_2, gre key 101 -> CNCI cnci-alpha at 198.51.100.21',
    ),
  );
});

test('a finding stands under the link it is about, else under its subnet, else at the end', () => {
  const about = (linkName: string, ifIndex: number) => ({ link: { linkName, ifIndex } });
  const picture = drawTree(
    nodeWith([
      { type: 'remnant', text: 'svn_9 has no alias', remedy: 'none', ...about('svn_9', 99) },
      {
        type: 'down',
        text: 'svn_4 is down',
        remedy: 'reattach',
        subnet: scope,
        ...about('svn_4', 13),
      },
      {
        type: 'foreign',
        text: 'eth9 sits on it',
        remedy: 'none',
        subnet: scope,
        ...about('eth9', 98),
      },
    ]),
  );
  expect(picture).toContain(
    text(
      '│     └─ vm svn_4 · 172.16.1.6'.replace('└', '├'),
      '│     │  └─ ! down: svn_4 is down',
      '│     └─ ! foreign: eth9 sits on it',
    ),
  );
  expect(picture.split('\n').at(-1)).toBe('└─ ! remnant: svn_9 has no alias');
});

test('what is not there is said', () => {
  const node: DrawableNode = { ...nodeWith(), subnets: [], cnciVnics: [] };
  expect(drawTree(node).split('\n')[1]).toBe('└─ nothing');
  const bare = { scope: 'a_b_c_d_198.51.100.21', concIp: '198.51.100.21', vnics: [] };
  expect(drawTree({ ...node, subnets: [bare] })).toBe(
    text(
      'compute node cn1 · eth0 198.51.100.11 · MTU 1500',
      '└─ tenant unknown: the ids cannot be told apart',
      '   └─ a_b_c_d_198.51.100.21 · no bridge',
    ),
  );
});

test('in Mermaid a tunnel is a line between its two ends', () => {
  const chart = drawMermaid([nodeWith(), cnci]);
  expect(chart).toBe(
    text(
      'flowchart LR',
      '  subgraph n0 ["compute node cn1<br>198.51.100.11"]',
      '    n0s0["sbr_1<br>alpha<br>web"]',
      '    n0s0v0["container 172.16.1.5<br>svn_3"]',
      '    n0s0 --- n0s0v0',
      '    n0s0v1["vm 172.16.1.6<br>svn_4"]',
      '    n0s0 --- n0s0v1',
      '    n0c0["CNCI VNIC svc_5<br>beta"]',
      '  end',
      '  subgraph n1 ["CNCI cnci-alpha<br>198.51.100.21"]',
      '    n1s0["sbr_a<br>alpha<br>gateway 172.16.1.1"]',
      '  end',
      '  n0s0 == "gre key 101" ==> n1s0',
    ),
  );
});

test('in Mermaid a concentrator elsewhere is a box of its own, and findings are notes', () => {
  const chart = drawMermaid(
    nodeWith([{ type: 'foreign', text: 'a "quoted" <name>', remedy: 'none' }]),
  );
  expect(chart).toContain(
    text(
      '  x198_51_100_21(["CNCI at 198.51.100.21"])',
      '  n0s0 == "gre key 101" ==> x198_51_100_21',
      '  n0f0>"! foreign<br>a #34;quoted#34; #60;name#62;"] -.- n0',
    ),
  );
});
