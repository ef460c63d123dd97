import {
  addressToNumber,
  networkAddress,
  parseChoice,
  parseLooseId,
  parseTunnelKind,
  parseUnicastIpv4,
} from '../../model';
import type { Ipv4Cidr, Neighbor, TunnelKey } from '../../model';
import {
  FieldReader,
  inOperation,
  parseAddressOrNothing,
  parseIdOrNothing,
  parseKey,
  parseMappings,
  parseSubnet,
  parseText,
} from './fields';
import type {
  AgentRequest,
  AgentRequestKind,
  PublicIpRequest,
  PublicIpTexts,
  RefreshRequest,
  TenantEvent,
} from './types';
import { isMapping, readYaml, unreadable, writeYaml } from './yaml';
import type { Mapping } from './yaml';

/** Under which name a request's fields stand. */
const TOP_KEYS: Readonly<Record<AgentRequestKind, string>> = {
  'tenant-added': 'tenant_added',
  'tenant-removed': 'tenant_removed',
  'assign-public-ip': 'assign_public_ip',
  'release-public-ip': 'release_public_ip',
  'refresh-cnci': 'cnci_refresh',
};

export const AGENT_REQUEST_KINDS = Object.freeze(
  Object.keys(TOP_KEYS),
) as readonly AgentRequestKind[];

/** Some hundred bytes are usual. */
const MOST_BYTES = 64 * 1024;
/** Some hundred bytes for each of a tenant's concentrators. */
const MOST_REFRESH_BYTES = 1024 * 1024;
const MOST_CONCENTRATORS = 65_537;
const PARSE = 'parseAgentRequest';

/**
 * Parses a request's YAML. Fields that are not known are passed over, as the original does.
 *
 * @throws {@link APIError} `SNNET_MESSAGE_UNREADABLE` (no YAML, or too much of it), `SNNET_INPUT_…` with
 * the name of the field in the YAML and its value.
 */
export function parseAgentRequest(kind: AgentRequestKind, payload: string): AgentRequest {
  const known = inOperation(PARSE, () => parseChoice(kind, 'kind', AGENT_REQUEST_KINDS));
  const mapping = readTop(known, payload, PARSE);
  return inOperation(PARSE, () => {
    const fields = new FieldReader(mapping, `${TOP_KEYS[known]}.`);
    switch (known) {
      case 'tenant-added':
      case 'tenant-removed':
        return parseTenantEvent(known, fields);
      case 'assign-public-ip':
      case 'release-public-ip':
        return parsePublicIpRequest(known, fields);
      case 'refresh-cnci':
        return parseRefreshRequest(fields);
    }
  });
}

/**
 * The fields of a request for a public address as they came, right or wrong: whoever asked is to be told
 * of a failure with them. `undefined`: not even that can be read.
 */
export function readPublicIpTexts(
  kind: PublicIpRequest['kind'],
  payload: string,
): PublicIpTexts | undefined {
  try {
    return readTexts(new FieldReader(readTop(kind, payload, PARSE), `${TOP_KEYS[kind]}.`));
  } catch {
    return undefined;
  }
}

/** A request's YAML, byte for byte as the original writes it. */
export function formatAgentRequest(request: AgentRequest): string {
  return writeYaml({ [TOP_KEYS[request.kind]]: fieldsOf(request) });
}

/** The same as JSON, for a store: {@link parseAgentRequest} reads it, and much faster. */
export function encodeAgentRequest(request: AgentRequest): string {
  return JSON.stringify({ [TOP_KEYS[request.kind]]: fieldsOf(request) });
}

/**
 * The key that the original gives a subnet's tunnels: the four bytes of its address, the first lowest.
 * `undefined` where that is 0, which is no key.
 */
export function subnetKeyOf(subnet: Ipv4Cidr): TunnelKey | undefined {
  const number = addressToNumber(networkAddress(subnet));
  const bytes = [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff);
  const key = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  return key === 0 ? undefined : (key as TunnelKey);
}

function readTop(kind: AgentRequestKind, payload: string, operation: string): Mapping {
  const most = kind === 'refresh-cnci' ? MOST_REFRESH_BYTES : MOST_BYTES;
  const root = readYaml(payload, operation, most);
  const key = TOP_KEYS[kind];
  const top = Object.hasOwn(root, key) ? root[key] : undefined;
  if (!isMapping(top)) throw unreadable(operation, `there are no fields under ${key}`);
  return top;
}

function parseTenantEvent(kind: TenantEvent['kind'], fields: FieldReader): TenantEvent {
  const tunnel = fields.read('tunnel', (value, field) =>
    value === undefined ? undefined : parseTunnelKind(value, field),
  );
  return Object.freeze({
    kind,
    agentUuid: fields.read<string>('agent_uuid', parseLooseId),
    agentIp: fields.read('agent_ip', parseUnicastIpv4),
    tenantUuid: fields.read('tenant_uuid', parseIdOrNothing),
    tenantSubnet: fields.read('tenant_subnet', parseSubnet),
    concentratorUuid: fields.read('concentrator_uuid', parseIdOrNothing),
    concentratorIp: fields.read('concentrator_ip', parseAddressOrNothing),
    subnetKey: fields.read('subnet_key', parseKey),
    ...(tunnel !== undefined && { tunnel }),
  });
}

function parsePublicIpRequest(kind: PublicIpRequest['kind'], fields: FieldReader): PublicIpRequest {
  return Object.freeze({
    kind,
    ...readTexts(fields),
    publicIp: fields.read('public_ip', parseUnicastIpv4),
    privateIp: fields.read('private_ip', parseUnicastIpv4),
  });
}

function readTexts(fields: FieldReader): PublicIpTexts {
  return {
    concentratorUuid: fields.read('concentrator_uuid', parseText),
    tenantUuid: fields.read('tenant_uuid', parseText),
    instanceUuid: fields.read('instance_uuid', parseText),
    publicIp: fields.read('public_ip', parseText),
    privateIp: fields.read('private_ip', parseText),
    vnicMac: fields.read('vnic_mac', parseText),
  };
}

function parseRefreshRequest(fields: FieldReader): RefreshRequest {
  const cncis = fields.read('cncis', (value, field) =>
    parseMappings(value, field, MOST_CONCENTRATORS).map((entry, index) =>
      parseConcentrator(new FieldReader(entry, `${field}[${String(index)}].`)),
    ),
  );
  return Object.freeze({
    kind: 'refresh-cnci',
    cnciUuid: fields.read('cnci_uuid', parseIdOrNothing),
    cncis: Object.freeze(cncis),
  });
}

function parseConcentrator(fields: FieldReader): Neighbor {
  return Object.freeze({
    physicalIp: fields.read('physical_ip', parseUnicastIpv4),
    subnet: fields.read('subnet', parseSubnet),
    tunnelIp: fields.read('tunnel_ip', parseUnicastIpv4),
    tunnelId: fields.read('tunnel_id', parseKey),
  });
}

function fieldsOf(request: AgentRequest): Mapping {
  switch (request.kind) {
    case 'tenant-added':
    case 'tenant-removed':
      return {
        agent_uuid: request.agentUuid,
        agent_ip: request.agentIp,
        tenant_uuid: request.tenantUuid,
        tenant_subnet: request.tenantSubnet,
        concentrator_uuid: request.concentratorUuid,
        concentrator_ip: request.concentratorIp,
        subnet_key: request.subnetKey,
        ...(request.tunnel !== undefined && { tunnel: request.tunnel }),
      };
    case 'assign-public-ip':
    case 'release-public-ip':
      return {
        concentrator_uuid: request.concentratorUuid,
        tenant_uuid: request.tenantUuid,
        instance_uuid: request.instanceUuid,
        public_ip: request.publicIp,
        private_ip: request.privateIp,
        vnic_mac: request.vnicMac,
      };
    case 'refresh-cnci':
      return {
        cnci_uuid: request.cnciUuid,
        cncis: request.cncis.map(({ physicalIp, subnet, tunnelIp, tunnelId }) => ({
          physical_ip: physicalIp,
          subnet,
          tunnel_ip: tunnelIp,
          tunnel_id: tunnelId,
        })),
      };
  }
}
