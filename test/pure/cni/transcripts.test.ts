/** What podman, containerd and cnitool really send: every word of it is understood. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnvironment } from '#lib/cni/environment';
import { parseHead, parseNetwork } from '#lib/cni/network-config';
import { parsePreviousResult } from '#lib/cni/result';
import { parseWishes } from '#lib/cni/wishes';
import type { Ipv4Cidr } from '#lib/model/index';
import { PACKAGE_ROOT } from '../../support/child';

interface Line {
  readonly client: string;
  readonly scenario: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Readonly<Record<string, unknown>>;
}

const SUBNET = '10.77.0.0/24' as Ipv4Cidr;
const OWN = {
  ...{ tenantId: 't1', subnetId: 's1', concId: 'c1', concIp: '198.51.100.9' },
  ...{ subnet: SUBNET, subnetKey: 7 },
};
const LINES = ['cnitool', 'podman', 'containerd'].flatMap((client) =>
  readFileSync(join(PACKAGE_ROOT, 'test', 'fixtures', 'cni', `${client}.jsonl`), 'utf8')
    .trim()
    .split('\n')
    .map((text) => JSON.parse(text) as Line),
);
const titled = LINES.filter(({ env }) => env['CNI_COMMAND'] !== 'VERSION').map(
  (line) => [`${line.client} ${line.scenario} ${String(line.env['CNI_COMMAND'])}`, line] as const,
);

test('there is every command, and every client', () => {
  const commands = new Set(LINES.map(({ env }) => env['CNI_COMMAND']));
  expect([...commands].sort()).toEqual(['ADD', 'CHECK', 'DEL', 'GC', 'STATUS', 'VERSION']);
});

test.each(titled)('%s', (_title, { env, stdin }) => {
  const environment = parseEnvironment(env);
  // The key of the plugin that recorded it; ours stand in its place.
  const { tenant: _tenant, ...rest } = stdin;
  const head = parseHead(JSON.stringify({ ...rest, ...OWN }));
  expect(parseNetwork(head, 'ADD')).toEqual(OWN);
  const previous = parsePreviousResult(head.fields['prevResult']);
  expect(previous.ips).toHaveLength('prevResult' in stdin ? 1 : 0);
  const { address, mac } = parseWishes(head, environment.args, SUBNET);
  const args = environment.command === 'ADD' ? (env['CNI_ARGS'] ?? '') : '';
  const runtime = (stdin['runtimeConfig'] ?? {}) as { ips?: string[]; mac?: string };
  const wanted = runtime.ips?.[0] ?? /IP=([^;]+)/.exec(args)?.[1];
  expect(address).toBe(wanted?.split('/')[0]);
  expect(mac).toBe(runtime.mac ?? /MAC=([^;]+)/.exec(args)?.[1]);
});
