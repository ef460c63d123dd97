export { parseAltName, parseAttach, parseInterfaceName } from './attach';
export type { Attach, AttachInput, ContainerRoute, ContainerRouteInput } from './attach';
export type { Brand } from './brand';
export { parseCallOptions, parseSignal, parseTimeoutMs } from './call-options';
export type { CallOptions, CallOptionsInput } from './call-options';
export {
  parseCloudHypervisorOptions,
  parseFirecrackerOptions,
  parseLibvirtOptions,
  parseQemuOptions,
} from './card-options';
export type {
  CloudHypervisorOptions,
  CloudHypervisorOptionsInput,
  FirecrackerOptions,
  FirecrackerOptionsInput,
  LibvirtOptions,
  LibvirtOptionsInput,
  QemuOptions,
  QemuOptionsInput,
} from './card-options';
export { parseCnciOptions, parseRemoteSubnet } from './cnci-options';
export type {
  CnciOptions,
  CnciOptionsInput,
  DhcpChoice,
  DhcpChoiceInput,
  RemoteSubnetConfig,
  RemoteSubnetConfigInput,
} from './cnci-options';
export { parseCnciVnicConfig, parseCnciVnicRef } from './cnci-vnic-config';
export type { CnciVnicConfig, CnciVnicConfigInput, CnciVnicMode } from './cnci-vnic-config';
export {
  debugSshPortForIp,
  MOST_MAPPINGS,
  parseDeviceName,
  parseFirewallAction,
  parseFirewallOptions,
  parseForwardings,
  parsePublicIps,
  sshPortOf,
} from './firewall-config';
export type {
  FirewallAction,
  FirewallOptions,
  FirewallOptionsInput,
  Forwarding,
  ForwardingInput,
  PublicIp,
  PublicIpInput,
  TransportProtocol,
} from './firewall-config';
export {
  PORT_BYTES,
  PROTOCOL_NUMBERS,
  PortWriter,
  keyAt,
  packPorts,
  portKey,
  readPortKey,
  readPortTarget,
  targetAt,
  unpackPorts,
  viewOf,
} from './port-list';
export { parsePortMappings } from './port-mapping';
export type { PortList, PortMapping, PortMappingInput } from './port-mapping';
export { parseId, parseLooseId } from './id';
export type {
  AnyId,
  ConcId,
  InstanceId,
  NodeId,
  ParseIdOptions,
  SubnetId,
  TenantId,
  VnicId,
} from './id';
export {
  addressToNumber,
  broadcastAddress,
  containsAddress,
  gatewayOf,
  hostAddresses,
  hostCount,
  isUnicast,
  networkAddress,
  networkOf,
  numberToAddress,
  parseIpv4,
  parseIpv4Cidr,
  parseTenantSubnet,
  parseUnicastIpv4,
  prefixLength,
  tryParseIpv4,
  tryParseIpv4Cidr,
} from './ip';
export type { Ipv4Address, Ipv4Cidr } from './ip';
export { checkKeyFits, largestKeyOf, parseTunnelKey } from './key';
export type { TunnelKey } from './key';
export { LINK_PREFIX, parseLinkName, peerNameOf, randomLinkName } from './link-name';
export type { LinkPrefix, LinkRole } from './link-name';
export { parseLogger, SILENT_LOGGER } from './logger';
export type { Logger } from './logger';
export { macOfAddress, parseMac } from './mac';
export type { MacAddress } from './mac';
export { withMethods } from './methods';
export { meshMtuFor, mtuFor, parseMtu, tunnelOverhead } from './mtu';
export {
  MESH_PREFIX_LENGTH,
  parseMeshPrefixLength,
  parseNeighbors,
  tellNeighborhood,
} from './neighbors';
export type { Neighbor, NeighborContext, Neighborhood, NeighborInput } from './neighbors';
export { parseNetns, parseNodeOptions, parsePort } from './node-options';
export type { NodeOptions, NodeOptionsInput } from './node-options';
export { parsePath } from './path';
export { parseBoolean, parseChoice, parseInteger, parseList, refuse } from './refuse';
export type { IntegerRange, Parser } from './refuse';
export { parseRepointConfig } from './repoint-config';
export type { RepointConfig, RepointConfigInput } from './repoint-config';
export { defineShape, nested, optional, withDefault, withOperation } from './shape';
export type { Fields, Parsed, ShapeParser } from './shape';
export { parseMeshMode, parseTunnelKind, parseTunnelMode, TUNNEL_KINDS } from './tunnel-kind';
export type { MeshKind, MeshMode, TunnelKind, TunnelMode } from './tunnel-kind';
export { parseQueues, parseRole, parseVnicConfig, parseVnicRef } from './vnic-config';
export type { Role, VnicConfig, VnicConfigInput } from './vnic-config';
export { parseWatchOptions } from './watch-options';
export type { WatchOptions, WatchOptionsInput } from './watch-options';
