/** What podman, containerd and cnitool really send: every word of it is understood. */
import { parseEnvironment } from '#lib/cni/environment';
import { parseHead, parseNetwork } from '#lib/cni/network-config';
import { parsePreviousResult } from '#lib/cni/result';
import { parseWishes } from '#lib/cni/wishes';
import type { Ipv4Cidr } from '#lib/model/index';
import { CLIENTS, linesOf, RECORDED_SUBNET } from '../../support/cni-transcripts';

const SUBNET = RECORDED_SUBNET as Ipv4Cidr;
const OWN = {
  ...{ tenantId: 't1', subnetId: 's1', concId: 'c1', concIp: '198.51.100.9' },
  ...{ subnet: SUBNET, subnetKey: 7 },
};
const LINES = CLIENTS.flatMap(linesOf);
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
