/** NATS on paper: names, streams and permissions as data, and what waits for what. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';

import {
  AGENT_REPORT_KINDS,
  AGENT_REQUEST_KINDS,
  formatAgentRequest,
} from '#lib/agent/messages/index';
import type { AgentRequest } from '#lib/agent/messages/index';
import {
  describeConsumer,
  describePermissions,
  describeStreams,
  formatAuthorization,
  kindOfReport,
  kindOfRequest,
  parseNatsNames,
  reportSubject,
  requestSubject,
  tokenOf,
} from '#lib/agent/nats/index';
import { laneOf } from '#lib/agent/nats/lanes';
import { PACKAGE_ROOT } from '../../support/child';
import { checkProperty } from '../../support/property';

const UUID = '3390740c-dce9-48d6-b83a-a717417072ce';
const NAMES = parseNatsNames();

test('subjects say whom they are for, and what they ask or tell', () => {
  expect(requestSubject(NAMES, UUID, 'refresh-cnci')).toBe(`ciao.v1.cnci.${UUID}.refresh`);
  expect(reportSubject(NAMES, UUID, 'assign-public-ip-failure')).toBe(
    `ciao.v1.errors.${UUID}.assign_public_ip_failure`,
  );
  for (const kind of AGENT_REQUEST_KINDS) {
    expect(kindOfRequest(requestSubject(NAMES, UUID, kind))).toBe(kind);
  }
  for (const kind of AGENT_REPORT_KINDS) {
    expect(kindOfReport(reportSubject(NAMES, UUID, kind))).toBe(kind);
  }
  expect(kindOfRequest(`ciao.v1.cnci.${UUID}.make_coffee`)).toBeUndefined();
  const others = parseNatsNames({ prefix: 'my.cloud', streams: 'MINE' });
  expect(requestSubject(others, UUID, 'tenant-added')).toBe(`my.cloud.cnci.${UUID}.tenant_added`);
  expect(describeStreams(others).map(({ name }) => name)).toEqual([
    ...['MINE_CNCI', 'MINE_REPORTS', 'MINE_DEAD'],
  ]);
});

test('any two ids are two parts of a subject, without a sign that means something there', async () => {
  const id = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
  await checkProperty(
    fc.property(id, id, (one, other) => {
      expect(tokenOf(one)).toMatch(/^[A-Za-z0-9_=-]+$/);
      expect(tokenOf(one) === tokenOf(other)).toBe(one === other);
    }),
  );
  expect(tokenOf(UUID)).toBe(UUID);
  expect(tokenOf('a.b*')).toBe('a=2eb=2a');
});

test('the page shows the stream and the consumer as they are', () => {
  const page = readFileSync(join(PACKAGE_ROOT, 'docs', 'nats.md'), 'utf8');
  const blocks = [...page.matchAll(/```json\n([^`]*)```/g)].map(
    ([, text = '']) => JSON.parse(text) as object,
  );
  expect(describeStreams(NAMES, { replicas: 3 })[0]).toMatchObject(blocks[0] ?? {});
  expect(describeConsumer(NAMES, UUID)).toMatchObject(blocks[1] ?? {});
  expect(blocks).toHaveLength(2);
  for (const role of ['agent', 'launcher'] as const) {
    const { publish } = describePermissions(NAMES, { role, uuid: UUID });
    for (const subject of publish.allow) expect(page).toContain(subject.replaceAll(UUID, '<uuid>'));
  }
});

test('no agent may touch what is another’s, nor make anything', () => {
  const { publish, subscribe } = describePermissions(NAMES, { role: 'agent', uuid: UUID });
  for (const subject of [...publish.allow, ...subscribe.allow]) expect(subject).toContain(UUID);
  expect(publish.allow.filter((subject) => /CREATE|DELETE|STREAM/.test(subject))).toEqual([]);
});

test('whatever a user is called, it stays a text in the server’s configuration', () => {
  const text = formatAuthorization(NAMES, [
    { role: 'agent', uuid: UUID, user: 'a" } ] # $X', password: '$2a$11$x' },
  ]);
  expect(text).toContain('user: "a\\" } ] # $X"\n');
  expect(text).toContain('password: "$2a$11$x"\n');
});

test('requests about one subnet wait for each other, whoever sends them', () => {
  const tenant = (kind: 'tenant-added' | 'tenant-removed', subnet: string, agent: string): string =>
    laneOf(
      kind,
      formatAgentRequest({
        ...{ kind, agentUuid: agent, agentIp: '198.51.100.1', tenantUuid: '' },
        ...{ tenantSubnet: subnet, concentratorUuid: UUID, concentratorIp: '', subnetKey: 1 },
      } as AgentRequest),
    );
  const lane = tenant('tenant-added', '172.16.1.0/24', 'one');
  expect(tenant('tenant-removed', '172.16.1.0/24', 'other')).toBe(lane);
  expect(tenant('tenant-added', '172.16.2.0/24', 'one')).not.toBe(lane);
  expect(laneOf('assign-public-ip', 'x')).toBe(laneOf('release-public-ip', 'y'));
  expect(laneOf('tenant-added', 'no: yaml: at all')).toBe(laneOf('tenant-removed', ''));
  const lanes = AGENT_REQUEST_KINDS.map((kind) => laneOf(kind, ''));
  expect(new Set(lanes).size).toBe(3);
});
