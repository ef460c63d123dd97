import { parseChoice } from '../../model';
import { FieldReader, inOperation, parseText } from './fields';
import { PUBLIC_IP_REASONS } from './types';
import type { AgentReport, AgentReportKind } from './types';
import { isMapping, readYaml, unreadable, writeYaml } from './yaml';
import type { Mapping } from './yaml';

/** Under which name a report's fields stand; a failure's stand alone. */
const TOP_KEYS: Readonly<Record<AgentReportKind, string | undefined>> = {
  'concentrator-instance-added': 'concentrator_instance_added',
  'public-ip-assigned': 'public_ip_assigned',
  'public-ip-unassigned': 'public_ip_unassigned',
  'assign-public-ip-failure': undefined,
  'unassign-public-ip-failure': undefined,
};

export const AGENT_REPORT_KINDS = Object.freeze(
  Object.keys(TOP_KEYS),
) as readonly AgentReportKind[];

const MOST_BYTES = 64 * 1024;
const PARSE = 'parseAgentReport';

/**
 * Parses a report's YAML, as a controller would. Its fields are texts as they came: a failure hands back
 * what was wrong.
 *
 * @throws {@link APIError} `SNNET_MESSAGE_UNREADABLE`, `SNNET_INPUT_…`.
 */
export function parseAgentReport(kind: AgentReportKind, payload: string): AgentReport {
  return inOperation(PARSE, () => {
    const known = parseChoice(kind, 'kind', AGENT_REPORT_KINDS);
    const key = TOP_KEYS[known];
    const root = readYaml(payload, PARSE, MOST_BYTES);
    const own = key === undefined ? root : Object.hasOwn(root, key) ? root[key] : undefined;
    if (!isMapping(own)) throw unreadable(PARSE, `there are no fields under ${String(key)}`);
    return Object.freeze(
      readReport(known, new FieldReader(own, key === undefined ? '' : `${key}.`)),
    );
  });
}

/** A report's YAML, byte for byte as the original writes it. */
export function formatAgentReport(report: AgentReport): string {
  const key = TOP_KEYS[report.kind];
  return writeYaml(key === undefined ? fieldsOf(report) : { [key]: fieldsOf(report) });
}

/** The same as JSON, for a store. */
export function encodeAgentReport(report: AgentReport): string {
  const key = TOP_KEYS[report.kind];
  return JSON.stringify(key === undefined ? fieldsOf(report) : { [key]: fieldsOf(report) });
}

function readReport(kind: AgentReportKind, fields: FieldReader): AgentReport {
  const text = (name: string): string => fields.read(name, parseText);
  switch (kind) {
    case 'concentrator-instance-added':
      return {
        kind,
        instanceUuid: text('instance_uuid'),
        tenantUuid: text('tenant_uuid'),
        concentratorIp: text('concentrator_ip'),
        concentratorMac: text('concentrator_mac'),
      };
    case 'public-ip-assigned':
    case 'public-ip-unassigned':
      return {
        kind,
        concentratorUuid: text('concentrator_uuid'),
        instanceUuid: text('instance_uuid'),
        publicIp: text('public_ip'),
        privateIp: text('private_ip'),
      };
    case 'assign-public-ip-failure':
    case 'unassign-public-ip-failure':
      return {
        kind,
        concentratorUuid: text('concentrator_uuid'),
        tenantUuid: text('tenant_uuid'),
        instanceUuid: text('instance_uuid'),
        publicIp: text('public_ip'),
        privateIp: text('private_ip'),
        vnicMac: text('vnic_mac'),
        reason: fields.read('reason', (value, field) =>
          parseChoice(value, field, PUBLIC_IP_REASONS),
        ),
      };
  }
}

function fieldsOf(report: AgentReport): Mapping {
  switch (report.kind) {
    case 'concentrator-instance-added':
      return {
        instance_uuid: report.instanceUuid,
        tenant_uuid: report.tenantUuid,
        concentrator_ip: report.concentratorIp,
        concentrator_mac: report.concentratorMac,
      };
    case 'public-ip-assigned':
    case 'public-ip-unassigned':
      return {
        concentrator_uuid: report.concentratorUuid,
        instance_uuid: report.instanceUuid,
        public_ip: report.publicIp,
        private_ip: report.privateIp,
      };
    case 'assign-public-ip-failure':
    case 'unassign-public-ip-failure':
      return {
        concentrator_uuid: report.concentratorUuid,
        tenant_uuid: report.tenantUuid,
        instance_uuid: report.instanceUuid,
        public_ip: report.publicIp,
        private_ip: report.privateIp,
        vnic_mac: report.vnicMac,
        reason: report.reason,
      };
  }
}
