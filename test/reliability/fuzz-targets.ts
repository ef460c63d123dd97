/** Whatever reads what other programs wrote. */
import { FrameDecoder } from '#lib/agent/ssntp/index';
import { formatAlias, parseAlias } from '#lib/alias/index';
import { decodeSandboxes } from '#lib/audit/cri';
import { hiddenProcesses, namespacesMounted, parseMounts } from '#lib/audit/mountinfo';
import { decodeDaemonFrame, decodeFrontFrame, FrameReader } from '#lib/cni/frame';
import { keyOfAttachment, parseAttachment } from '#lib/cni/attachment';
import { parseEnvironment } from '#lib/cni/environment';
import { CniFailure, toCniFailure } from '#lib/cni/failure';
import { hasIpam, parseHead, parseNetwork, tellFailure } from '#lib/cni/network-config';
import { parsePreviousResult } from '#lib/cni/result';
import { parseWishes } from '#lib/cni/wishes';
import { formatNames, parseNames } from '#lib/dhcp/host-names';
import { parseLeases } from '#lib/dhcp/leases';
import { Refusal, RequestBody } from '#lib/docker/request';
import { isLibsnnetError } from '#lib/errors/index';
import * as model from '#lib/model/index';
import { CLIENTS, linesOf } from '../support/cni-transcripts';
import { capturedStream, capturedVectors, syntheticVectors } from '../pure/ssntp/vectors';
import { agentMessages } from './fuzz-agent';
import { configurations } from './fuzz-configurations';
import { mutateBytes, mutateText } from './fuzz-mutate';
import { refusalOfOurs } from './fuzz-target';
import type { Target } from './fuzz-target';

const IDS = { tenantId: 't', subnetId: 'web', concId: 'c1', concIp: '198.51.100.9' };

// ---------------------------------------------------------------- aliases

const aliases: Target<string> = {
  name: 'aliases',
  seeds: [
    ...['br_t_s_c_198.51.100.9', 'vnic_t_s_c_198.51.100.9##172.16.1.5', 'gre_t_s_c_198.51.100.9'],
    ...[
      'cncivnic_t_v',
      'br_172.16.1.0+24',
      'gre_172.16.1.0+24##198.51.100.7',
      'vxlan_172.16.1.0+24',
    ],
    ...['cncitun', 'trash', 'vxlan_anchor', 'geneve_a_b_c_d_e_1.2.3.4'],
    'cni.4026532000.0123456789ab.container.eth0=-1',
  ],
  mutate: mutateText,
  run: (text) => {
    const parsed = parseAlias(text);
    if (parsed !== undefined && formatAlias(parsed) !== text) throw new Error('it reads another');
    const attachment = parseAttachment(text);
    if (attachment !== undefined && !text.endsWith(keyOfAttachment(attachment))) {
      throw new Error('it reads another');
    }
    const ids = parsed !== undefined && 'scope' in parsed ? parsed.scope.ids !== undefined : false;
    return `${parsed?.type} ${ids} ${attachment !== undefined}`;
  },
  refusalOf: refusalOfOurs,
};

// ---------------------------------------------------------------- CNI

const MARK = '\n\n';
const SUBNET = '172.16.1.0/24' as model.Ipv4Cidr;
const PREVIOUS = {
  ...{ cniVersion: '1.0.0', interfaces: [{ name: 'eth0', sandbox: '/x' }], routes: [], dns: {} },
  ips: [{ address: '172.16.1.5/24', interface: 0 }],
};
const OWN = {
  ...IDS,
  subnet: SUBNET,
  subnetKey: 7,
  mtu: 1400,
  mode: 'gre',
  dns: { search: ['x'] },
};

const cniRequests: Target<string> = {
  name: 'CNI requests',
  seeds: [
    ...CLIENTS.flatMap(linesOf).map(({ env, stdin }) =>
      [JSON.stringify(env), JSON.stringify({ ...stdin, ...OWN, prevResult: PREVIOUS })].join(MARK),
    ),
    [
      '{"CNI_COMMAND":"ADD","CNI_CONTAINERID":"c","CNI_NETNS":"/x","CNI_IFNAME":"e","CNI_ARGS":"IP=172.16.1.5;MAC=02:00:00:00:00:05"}',
      '{"cniVersion":"1.1.0","name":"n","runtimeConfig":{"ips":["172.16.1.5/24"],"mac":"02:00:00:00:00:05","dns":{"Servers":["x"]}},"args":{"cni":{"ips":["172.16.1.5"]}},"routes":[{"dst":"0.0.0.0/0","gw":"172.16.1.1"}]}',
    ].join(MARK),
  ].filter((text, place, all) => all.indexOf(text) === place),
  mutate: mutateText,
  run: (text) => {
    const [variables = '', config = ''] = text.split(MARK);
    const environment = parseEnvironment(environmentOf(variables));
    const head = parseHead(config);
    const wishes = parseWishes(head, environment.args, SUBNET);
    const previous = parsePreviousResult(head.fields['prevResult']);
    parseNetwork(head, 'ADD');
    return `${environment.command} ${hasIpam(head)} ${Object.keys(wishes).join()} ${previous.ips.length}`;
  },
  refusalOf: (error) => {
    if (!(error instanceof CniFailure) && refusalOfOurs(error) === undefined) return undefined;
    const failure = toCniFailure(error);
    const told = JSON.parse(tellFailure(failure, '{"cniVersion":"0.4.0"}')) as { code: unknown };
    return typeof told.code === 'number'
      ? `${failure.code} ${failure.message.slice(0, 30)}`
      : undefined;
  },
};

/** What is no environment is an empty one. */
function environmentOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/"(CNI_\w+)":"([^"]*)"/g)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}

const cniFrames: Target<Buffer> = {
  name: 'CNI frames',
  seeds: [
    '00000018010100000010434e495f434f4d4d414e443d414444007b7d',
    '00000003010178',
    '0000000102',
    '00000002027b000000020178',
  ].map((hex) => Buffer.from(hex, 'hex')),
  mutate: mutateBytes,
  run: (bytes) => {
    const reader = new FrameReader();
    // In two pieces.
    const half = bytes.length >> 1;
    const frames = [bytes.subarray(0, half), bytes.subarray(half)].flatMap((part) =>
      reader.read(part),
    );
    const words = frames.map(
      (frame) => `${decodeFrontFrame(frame).kind} ${decodeDaemonFrame(frame).kind}`,
    );
    return words.slice(0, 3).join();
  },
  refusalOf: (error) =>
    error instanceof CniFailure ? error.message.replaceAll(/\d+/g, '0') : undefined,
};

// ---------------------------------------------------------------- docker

const dockerRequests: Target<string> = {
  name: 'docker requests',
  seeds: [
    '{"NetworkID":"n1","EndpointID":"e1","Interface":{"Address":"172.16.1.5/24","MacAddress":""},"Options":{"com.docker.network.generic":{"bridge":"b"}}}',
    '{"NetworkID":"n1","IPv4Data":[{"AddressSpace":"","Pool":"172.16.1.0/24","Gateway":"172.16.1.1/24","AuxAddresses":{}}],"IPv6Data":[]}',
    '{"PoolID":"p1","Address":"172.16.1.5","Options":{"RequestAddressType":"com.docker.network.gateway"},"V6":false}',
    '{"Pool":"172.16.1.0/24","SubPool":"","AddressSpace":"x","Options":null,"V6":true}',
    '',
  ],
  mutate: mutateText,
  run: (text) => {
    const body = RequestBody.parse(text);
    const read = [
      () => body.id('NetworkID'),
      () => body.id('PoolID'),
      () => body.text('Pool'),
      () => body.isSet('V6'),
      () => body.address('Address'),
      () => body.object('Interface').address('Address'),
      () => body.object('Options').object('com.docker.network.generic').text('bridge'),
      () => body.list('IPv4Data').map((data) => data.address('Gateway')),
      () => model.parseTenantSubnet(body.text('Pool'), 'Pool'),
    ];
    return read.map((one) => wordOf(one)).join();
  },
  refusalOf: dockerRefusal,
};

function dockerRefusal(error: unknown): string | undefined {
  if (error instanceof Refusal) return `${error.status}`;
  return refusalOfOurs(error);
}

/** Of several fields of one request each may be refused. */
function wordOf(read: () => unknown): string {
  try {
    return typeof read();
  } catch (error) {
    const word = dockerRefusal(error);
    if (word === undefined) throw error;
    return word;
  }
}

// ---------------------------------------------------------------- SSNTP

const ssntpFrames: Target<Buffer> = {
  name: 'SSNTP frames',
  seeds: [
    capturedStream('c2s'),
    capturedStream('s2c'),
    ...[...capturedVectors(), ...syntheticVectors()].map(({ definitions, value }) =>
      Buffer.concat([definitions, value]),
    ),
  ].filter(({ length }) => length < 2000),
  mutate: mutateBytes,
  run: (bytes) => {
    const decoder = new FrameDecoder(65_536);
    const kinds: string[] = [];
    for (const part of [bytes.subarray(0, bytes.length >> 1), bytes.subarray(bytes.length >> 1)]) {
      decoder.feed(part);
      for (let frame = decoder.read(); frame !== undefined; frame = decoder.read()) {
        kinds.push(`${frame.kind}${'trace' in frame ? '+' : ''}`);
      }
    }
    if (decoder.pending > 65_536 + 9) throw new Error('it holds more than a frame');
    return `${kinds.slice(0, 4).join()} ${decoder.pending > 0}`;
  },
  refusalOf: (error) =>
    isLibsnnetError(error) && error.code.startsWith('SNNET_SSNTP_')
      ? error.message.replaceAll(/\d+/g, '0')
      : undefined,
};

// ---------------------------------------------------------------- files and answers of other programs

const readings: Target<Buffer> = {
  name: 'what other programs wrote',
  seeds: [
    '1700000000 02:00:00:00:00:05 172.16.1.5 * *\nduid 00:01\n',
    '172.16.1.5 web-1\n# no name: 172.16.1.6\n',
    '24 29 0:22 / /sys rw shared:7 - sysfs sysfs rw\n41 29 0:4 net:[4026532301] /run/netns/x rw - nsfs nsfs rw\n23 1 0:21 / /proc rw - proc proc rw,hidepid=2\n',
    '\x0a\x10\x0a\x02id\x12\x06\x0a\x01x\x12\x01y\x18\x00',
  ].map((text) => Buffer.from(text, 'latin1')),
  mutate: mutateBytes,
  run: (bytes) => {
    const text = bytes.toString();
    const names = parseNames(text);
    if (parseNames(formatNames(names)).size !== names.size) throw new Error('a name was lost');
    const mounts = parseMounts(text);
    const hidden = hiddenProcesses(mounts) !== undefined;
    const found = [parseLeases(text).length, names.size, namespacesMounted(mounts).length];
    return `${found.map((count) => Math.min(count, 3)).join()} ${hidden} ${sandboxesIn(bytes)}`;
  },
  refusalOf: () => undefined,
};

/** Who asks for them takes any plain error for "not known". */
function sandboxesIn(bytes: Buffer): string {
  try {
    return String(Math.min(decodeSandboxes(bytes).length, 3));
  } catch (error) {
    if (error instanceof Error && error.constructor === Error) return error.message;
    throw error;
  }
}

/** A target gets no inputs but its own seeds' descendants. */
function anyOf<Input>(target: Target<Input>): Target {
  return target as unknown as Target;
}

export const TARGETS: readonly Target[] = [
  anyOf(aliases),
  anyOf(configurations),
  anyOf(cniRequests),
  anyOf(cniFrames),
  anyOf(dockerRequests),
  anyOf(ssntpFrames),
  anyOf(readings),
  anyOf(agentMessages),
];
