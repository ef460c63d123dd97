/**
 * Makes the corpora anew: `node test/fuzz/make-corpus.mjs` (root; the package has to be built). In a
 * network namespace of its own it has `ip` and `nft` set up whatever this kernel knows, and the library
 * its own networks and firewall; what the kernel says of all that, and the plans that the library
 * sent, become inputs. `npm run fuzz -- --keep` afterwards leaves of them what reaches something new.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildCapture, CACHE, writeCorpus } from './build.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..');
const load = createRequire(import.meta.url);

/** Every kind of link; a line that this kernel refuses is passed over. */
const LINKS = [
  'link set lo up',
  'link add dummy0 type dummy',
  'link add d0 type veth peer name d1',
  'link set d1 up',
  'link add b0 alias br_t_s_c_198.51.100.9 type bridge',
  'link add v0 type veth peer name v1',
  'link set v0 master b0',
  'link property add dev v0 altname cni.4026532000.0123456789ab.container.eth0 altname second',
  'link set v1 alias vnic_t_s_c_198.51.100.9##172.16.1.5',
  'link add link d0 name m0 type macvtap mode bridge',
  'link add link d0 name m1 type macvlan mode private',
  'link add link d0 name i0 type ipvlan mode l2',
  'link add link d0 name vlan0 type vlan id 7',
  'link add x0 type vxlan id 42 dstport 4789 local 198.51.100.1 remote 198.51.100.2',
  'link add x1 type vxlan id 43 dstport 4790 group ff02::1 dev d0',
  'link add x2 type vxlan external dstport 4791',
  'link add g0 type gretap local 198.51.100.1 remote 198.51.100.2 key 42',
  'link add g1 type gre remote 198.51.100.3 key 7 ttl 9',
  'link add g2 type ip6gretap remote 2001:db8::1 local 2001:db8::2',
  'link add n0 type geneve id 42 remote 198.51.100.2 dstport 6081',
  'link add n1 type geneve id 42 remote 2001:db8::1',
  'link add ifb0 type ifb',
  'link add bond0 type bond',
  'link add team0 type team',
  'link add vrf0 type vrf table 10',
  'link add wg0 type wireguard',
  'link add nk0 type netkit',
  'link add ipip0 type ipip remote 198.51.100.4',
  'link add sit0x type sit remote 198.51.100.4',
  'link add vti0 type vti remote 198.51.100.4 key 1',
  'link add xfrm0 type xfrm if_id 7',
  'tuntap add t0 mode tap',
  'tuntap add t1 mode tap multi_queue vnet_hdr',
  'tuntap add t2 mode tun user 65534 pi',
  'link set d0 up',
  'link set b0 up',
  'link set v0 up',
  'link set v1 up',
  'address add 198.51.100.1/24 dev d0',
  'address add 10.0.0.1/31 dev b0 label b0:x',
  'address add 192.0.2.1 peer 192.0.2.2 dev v1',
  'address add 2001:db8::5/64 dev d0',
  'route add 203.0.113.0/24 via 198.51.100.7 metric 20',
  'route add 192.0.2.128/25 nexthop via 198.51.100.7 nexthop via 198.51.100.8',
  'route add blackhole 192.0.2.64/26',
  'route add 192.0.2.0/26 dev d0 table 77',
  'neighbour add 198.51.100.9 lladdr 02:00:00:00:00:09 dev d0',
  'neighbour add 2001:db8::9 lladdr 02:00:00:00:00:09 dev d0',
  'neighbour add 198.51.100.10 lladdr 198.51.100.10 dev g1',
];
const FDB = [
  'fdb append 00:00:00:00:00:00 dev x0 dst 198.51.100.3',
  'fdb add 02:00:00:00:00:01 dev x0 dst 198.51.100.4 port 9 vni 77',
  'fdb add 02:00:00:00:00:02 dev v0 master sticky',
];
const RULESETS = [
  `table inet everything {
    comment "of somebody else"
    counter c0 { packets 1 bytes 2 }
    set addresses { type ipv4_addr; flags interval, timeout; elements = { 192.0.2.0/24, 198.51.100.7 timeout 1h } }
    set names { type ifname; elements = { "eth0", "eth1" } }
    map ports { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 80 : 192.0.2.1 . 8080 } }
    map verdicts { type mark : verdict; elements = { 1 : drop, 2 : jump other } }
    chain other { }
    chain in {
      type filter hook input priority 0; policy drop;
      ct state established,related accept
      ct direction original ct mark set 7
      tcp dport vmap { 22 : accept, 80-90 : jump other }
      meta mark vmap @verdicts
      ip saddr @addresses counter log prefix "x" limit rate 5/second accept comment "by address"
      iifname != @names tcp option maxseg size set rt mtu
      fib daddr type local meta mark set 0x2a queue num 0-3
      tcp flags & (syn|rst) == syn reject with tcp reset
      numgen inc mod 3 vmap { 0 : accept, 1 : drop }
      jhash ip saddr mod 5 seed 0x7 drop
      meter m { ip saddr limit rate 1/second } accept
    }
    chain out { type nat hook postrouting priority 100; oifname "d0" masquerade fully-random; snat ip to 198.51.100.1:1000-2000 persistent; }
    chain pre { type nat hook prerouting priority -100; dnat ip to meta l4proto . th dport map @ports; redirect to :99; }
  }`,
  'table netdev nd { chain c { type filter hook ingress device "d0" priority 0; drop; }; }',
  'table bridge br { chain c { type filter hook forward priority 0; ether saddr 02:00:00:00:00:01 drop; }; }',
  'table ip6 six { chain c { ip6 nexthdr tcp exthdr hbh exists accept; }; }',
  'table arp a { chain c { type filter hook input priority 0; arp operation request accept; }; }',
  'table inet ft { flowtable f { hook ingress priority 0; devices = { d0 }; }; chain c { flow add @f; }; }',
];

/** No batch: that has `#` for a comment. */
function configure(program, lines) {
  for (const line of lines) spawnSync(program, line.split(' '));
}

// ---------------------------------------------------------------- what the library does

/** Every plan that is sent from now on, as the fuzzer takes it: the text, a NUL, the first buffer. */
function recordPlans() {
  const addon = load('node-gyp-build')(ROOT);
  const plans = [];
  addon.KernelHandle = class extends addon.KernelHandle {
    run(text, buffers) {
      plans.push(
        Buffer.concat([Buffer.from(text), Buffer.from([0]), buffers?.[0] ?? Buffer.alloc(0)]),
      );
      return super.run(text, buffers);
    }
  };
  return plans;
}

const IDS = { tenantId: 'alpha', subnetId: 'web', concId: 'cnci-alpha', concIp: '198.51.100.9' };
const SUBNET = '172.16.1.0/24';

function vnic(mode, n, role) {
  const key = { vxlan: 1, gre: 2, geneve: 3 }[mode];
  return {
    ...IDS,
    ...{ subnetId: `${mode}-${role}`, subnet: SUBNET, subnetKey: 1000 * key + n, role },
    ...{ vnicId: `v${n}`, vnicIp: `172.16.1.${n + 2}`, vnicMac: `02:00:00:00:0${key}:0${n}` },
  };
}

const pass = (promise) => promise.catch((error) => console.error(`passed over: ${error.message}`));

async function useNode(mode) {
  const { ComputeNode } = load(join(ROOT, 'dist', 'index.js'));
  const node = await ComputeNode.open({
    ...{ id: 'node', mode, computeNets: ['198.51.100.0/24'], netns: '/proc/self/ns/net' },
    allowVethUplink: true,
  });
  const made = [vnic(mode, 0, 'vm'), { ...vnic(mode, 1, 'container'), altName: 'other' }];
  for (const config of made) await pass(node.createVnic(config));
  const cnci = { tenantId: 'alpha', vnicId: `c-${mode}`, vnicMac: '02:00:00:00:00:77' };
  await pass(node.createCnciVnic(cnci));
  for (const config of made.slice(1)) await pass(node.destroyVnic(config));
  await node.close();
}

async function useCnci(mode) {
  const { Cnci } = load(join(ROOT, 'dist', 'index.js'));
  const cnci = await Cnci.open({
    ...{ id: 'cnci', tenantId: 'alpha', dhcp: false, mode, computeNets: ['198.51.100.0/24'] },
    ...{ netns: '/proc/self/ns/net', allowVethUplink: true },
  });
  const remote = { subnet: '172.17.1.0/24', subnetKey: 77 };
  for (const cnIp of ['198.51.100.21', '198.51.100.22'])
    await pass(cnci.addRemoteSubnet({ ...remote, cnIp }));
  const neighbors = [1, 31, 32].map((n) => ({
    ...{ physicalIp: `198.51.100.${n}`, subnet: `172.18.${n}.0/24` },
    ...{ tunnelIp: `192.168.0.${n}`, tunnelId: 4000 },
  }));
  await pass(cnci.updateNeighbors(neighbors));
  await pass(cnci.delRemoteSubnet({ ...remote, cnIp: '198.51.100.22' }));
  await cnci.close();
}

async function useFirewall() {
  const { Firewall } = load(join(ROOT, 'dist', 'index.js'));
  const firewall = await Firewall.open({ externalDevices: ['v0'], netns: '/proc/self/ns/net' });
  const workload = { externalDevice: 'v0', internalIp: '172.17.1.5' };
  const port = { ...workload, protocol: 'tcp', externalPort: 8080, internalPort: 80 };
  await pass(firewall.routing('enable'));
  await pass(firewall.extFwding('enable', { externalDevice: 'v0', internalDevice: 'b0' }));
  await pass(firewall.extPortAccess('enable', [port, { ...port, externalPort: 8081 }]));
  await pass(firewall.publicIpAccess('enable', { ...workload, publicIp: '198.51.100.99' }));
  await pass(firewall.extPortAccess('disable', port));
  await firewall.close();
}

async function useEverything() {
  const { makePlan } = load(join(ROOT, 'dist', 'plan', 'index.js'));
  const { Kernel } = load(join(ROOT, 'dist', 'kernel', 'index.js'));
  const { EVERYTHING } = load(
    join(ROOT, 'dist-test', 'test', 'kernel', 'helpers', 'nft-everything.js'),
  );
  const kernel = await Kernel.open({ netns: '/proc/self/ns/net' });
  await pass(kernel.run(makePlan('everything', [{ op: 'nft', commands: EVERYTHING }])));
  await kernel.close();
}

// ---------------------------------------------------------------- what needs no kernel

const JSONS = [
  '{"a":[1,-2.5e-3,true,false,null,"\\u00e9\\ud834\\udd1e\\n\\"\\\\"],"code":11,"":{}}',
  '[[[[[[[[]]]]]]]]',
  ' [ 0 , -0 , 1E5 ] ',
  ...['-inf', '-nan', '1.', '01', '.5', '-', '1e', '"\\ud800"', '"\t"', '{"a":1,"a":2}'],
];

function cniRequests() {
  const directory = join(ROOT, 'test', 'fixtures', 'cni');
  const lines = readdirSync(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8').trim().split('\n'),
  );
  const recorded = lines.map((line) => {
    const { env, stdin } = JSON.parse(line);
    return `${env.CNI_COMMAND}\n${JSON.stringify(stdin)}`;
  });
  const config = { cniVersion: '1.1.0', name: 'x', ipam: { type: 'host-local' }, timeoutMs: 1.5 };
  const own = [
    { ...config, daemon: 'in-process' },
    { ...config, daemon: 'in-process', snnetCommand: ['/bin/true', 'x'] },
    { ...config, daemon: 'socket', daemonSocket: '/run/x.sock' },
    { ...config, ipam: { type: '../x' } },
    { cniVersion: '9' },
  ].map((stdin) => `ADD\n${JSON.stringify(stdin)}`);
  return [...recorded, ...own, 'VERSION\n', 'VERSION\n{"cniVersion":"0.4.0"}', 'ADD\n[]'];
}

function daemonAnswers() {
  const { encodeDaemonFrame } = load(join(ROOT, 'dist', 'cni', 'index.js'));
  const answer = encodeDaemonFrame({ kind: 'answer', status: 0, text: '{"cniVersion":"1.1.0"}' });
  const wants = encodeDaemonFrame({ kind: 'wants-address' });
  return [answer, wants, Buffer.concat([wants, answer]), Buffer.from('ffffffff01', 'hex')];
}

// ---------------------------------------------------------------- all together

const inputsIn = (directory) =>
  readdirSync(directory).map((name) => readFileSync(join(directory, name)));

async function makeInside() {
  mkdirSync(CACHE, { recursive: true });
  const directory = mkdtempSync(join(CACHE, 'corpus-'));
  try {
    const capture = await buildCapture(directory);
    const plans = recordPlans();
    configure('ip', LINKS);
    configure('bridge', FDB);
    for (const mode of ['vxlan', 'gre', 'geneve']) await pass(useNode(mode));
    for (const mode of ['vxlan', 'gre']) await pass(useCnci(mode));
    await pass(useFirewall());
    await pass(useEverything());
    for (const input of RULESETS) spawnSync('nft', ['-f', '-'], { input });
    spawnSync('ping', ['-c', '1', '-W', '1', '198.51.100.1']);
    execFileSync(capture, [directory], { stdio: 'inherit' });
    const corpora = {
      rtnl: inputsIn(join(directory, 'rtnl')),
      nft: inputsIn(join(directory, 'nft')),
      answers: inputsIn(join(directory, 'answers')),
      plan: plans,
      json: [...JSONS, ...plans.slice(0, 3).map((plan) => plan.subarray(0, plan.indexOf(0)))],
      'cni-request': cniRequests(),
      'cni-daemon': daemonAnswers(),
    };
    for (const [target, inputs] of Object.entries(corpora))
      console.log(`${target}: ${writeCorpus(target, inputs)} inputs`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[2] === 'inside') {
  await makeInside();
} else {
  const words = ['--net', '--', process.execPath, fileURLToPath(import.meta.url), 'inside'];
  process.exitCode = spawnSync('unshare', words, { stdio: 'inherit' }).status ?? 1;
}
