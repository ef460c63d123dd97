/** Whatever comes is a message or a typed refusal, and what is written is read back. */
import fc from 'fast-check';
import {
  AGENT_REPORT_KINDS,
  AGENT_REQUEST_KINDS,
  encodeAgentRequest,
  formatAgentReport,
  formatAgentRequest,
  parseAgentReport,
  parseAgentRequest,
} from '#lib/agent/messages/index';
import type { AgentRequest } from '#lib/agent/messages/index';
import { APIError } from '#lib/errors/index';
import { checkProperty } from '../../support/property';

const byte = fc.integer({ min: 0, max: 255 });
const address = fc
  .tuple(fc.integer({ min: 1, max: 126 }), byte, byte, byte)
  .map((bytes) => bytes.join('.'));
const subnet = fc
  .tuple(fc.integer({ min: 1, max: 126 }), byte, byte)
  .map((bytes) => `${bytes.join('.')}.0/24`);
const key = fc.integer({ min: 1, max: 0xffffffff });
const text = fc
  .string({ maxLength: 40 })
  .filter((value) => !['', '~', 'null', 'Null', 'NULL'].includes(value));

const tenantEvent = fc.record(
  {
    kind: fc.constantFrom('tenant-added', 'tenant-removed'),
    agentUuid: fc.uuid(),
    agentIp: address,
    tenantUuid: fc.oneof(fc.uuid(), fc.constant('')),
    tenantSubnet: subnet,
    concentratorUuid: fc.oneof(fc.uuid(), fc.constant('')),
    concentratorIp: fc.oneof(address, fc.constant('')),
    subnetKey: key,
    tunnel: fc.constantFrom('gre', 'vxlan', 'geneve'),
  },
  {
    requiredKeys: [
      'kind',
      'agentUuid',
      'agentIp',
      'tenantUuid',
      'tenantSubnet',
      'concentratorUuid',
      'concentratorIp',
      'subnetKey',
    ],
  },
);

const publicIp = fc.record({
  kind: fc.constantFrom('assign-public-ip', 'release-public-ip'),
  concentratorUuid: text,
  tenantUuid: text,
  instanceUuid: text,
  publicIp: address,
  privateIp: address,
  vnicMac: text,
});

const refresh = fc.record({
  kind: fc.constant('refresh-cnci'),
  cnciUuid: fc.uuid(),
  cncis: fc.array(fc.record({ physicalIp: address, subnet, tunnelIp: address, tunnelId: key }), {
    maxLength: 20,
  }),
});

test('a request is read back as it was', async () => {
  await checkProperty(
    fc.property(fc.oneof(tenantEvent, publicIp, refresh), (request) => {
      const known = request as unknown as AgentRequest;
      expect(parseAgentRequest(known.kind, formatAgentRequest(known))).toEqual(known);
      expect(parseAgentRequest(known.kind, encodeAgentRequest(known))).toEqual(known);
    }),
  );
});

test('a failure hands back any text', async () => {
  await checkProperty(
    fc.property(
      fc.record({
        kind: fc.constant('assign-public-ip-failure' as const),
        ...{ concentratorUuid: text, tenantUuid: text, instanceUuid: text },
        ...{ publicIp: text, privateIp: text, vnicMac: text },
        reason: fc.constant('assign_failure' as const),
      }),
      (report) => {
        expect(parseAgentReport(report.kind, formatAgentReport(report))).toEqual(report);
      },
    ),
  );
});

test('whatever else comes is refused with a typed error', async () => {
  const lines = fc.array(
    fc.oneof(
      fc.string(),
      fc
        .tuple(
          fc.constantFrom(
            'tenant_added',
            '  agent_ip',
            '  subnet_key',
            '- x',
            '  cncis',
            'cnci_refresh',
          ),
          fc.string(),
        )
        .map((pair) => pair.join(': ')),
    ),
  );
  await checkProperty(
    fc.property(fc.constantFrom(...AGENT_REQUEST_KINDS), lines, (kind, parts) => {
      try {
        parseAgentRequest(kind, parts.join('\n'));
      } catch (error) {
        expect(error).toBeInstanceOf(APIError);
      }
    }),
  );
  await checkProperty(
    fc.property(fc.constantFrom(...AGENT_REPORT_KINDS), lines, (kind, parts) => {
      try {
        parseAgentReport(kind, parts.join('\n'));
      } catch (error) {
        expect(error).toBeInstanceOf(APIError);
      }
    }),
  );
});
