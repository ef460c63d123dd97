import { parseId } from './id';
import type { ConcId, TenantId } from './id';
import { parseUnicastIpv4 } from './ip';
import type { Ipv4Address } from './ip';
import { refuse } from './refuse';
import { defineShape, optional, withOperation } from './shape';

/** Which tunnels of a node are to lead elsewhere. */
export interface RepointConfigInput {
  /** The concentrator's address so far. Unicast IPv4. */
  readonly from: string;
  /** Its address from now on. Unicast IPv4. */
  readonly to: string;
  /** Only tunnels of this concentrator. Default: all that lead to `from`. */
  readonly concId?: string | undefined;
  /** Only tunnels of this tenant. */
  readonly tenantId?: string | undefined;
}

/** Parsed {@link RepointConfigInput}: canonical and frozen. */
export interface RepointConfig {
  readonly from: Ipv4Address;
  readonly to: Ipv4Address;
  readonly concId?: ConcId;
  readonly tenantId?: TenantId;
}

const parseShape = defineShape('config', {
  from: parseUnicastIpv4,
  to: parseUnicastIpv4,
  concId: optional((value, field) => parseId<ConcId>(value, field)),
  tenantId: optional((value, field) => parseId<TenantId>(value, field)),
});

/** Parses which tunnels are to lead elsewhere, and where. */
export function parseRepointConfig(input: unknown, operation: string): RepointConfig {
  const config = parseShape(input, operation);
  if (config.from !== config.to) return config;
  return withOperation(operation, () =>
    refuse(config.to, 'to', 'another address than the one in from'),
  );
}
