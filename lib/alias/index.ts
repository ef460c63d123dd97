export { formatAlias, LONGEST_ALIAS, parseAlias } from './alias';
export type {
  AnchorAlias,
  CnBridgeAlias,
  CnciBridgeAlias,
  CnciPairTunnelAlias,
  CnciTunnelAlias,
  CnciVnicAlias,
  CnciVxlanAlias,
  CnTunnelAlias,
  CnVnicAlias,
  FixedAlias,
  MeshAlias,
  ParsedAlias,
  TrashAlias,
} from './alias';
export { parseScope, scopeOf } from './scope';
export type { Scope, ScopeIds, ScopeOptions } from './scope';
