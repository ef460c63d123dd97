import { parseId, parseLooseId } from './id';
import type { TenantId, VnicId } from './id';
import { parseMac } from './mac';
import type { MacAddress } from './mac';
import { parseChoice } from './refuse';
import { defineShape, withDefault } from './shape';

/** Whether macvtaps of one physical link see each other (`bridge`), or the switch outside decides (`vepa`). */
export type CnciVnicMode = 'bridge' | 'vepa';

const MODES: readonly CnciVnicMode[] = ['bridge', 'vepa'];

/** What the VNIC of a concentrator's VM is to be. */
export interface CnciVnicConfigInput {
  /** The tenant whose concentrator it is. */
  readonly tenantId: string;
  /** The VNIC. */
  readonly vnicId: string;
  /** Unicast MAC address of the macvtap. */
  readonly vnicMac: string;
  /** macvtap mode. Default: `'bridge'`. */
  readonly mode?: CnciVnicMode | undefined;
}

/** Parsed {@link CnciVnicConfigInput}: canonical and frozen. */
export interface CnciVnicConfig {
  readonly tenantId: TenantId;
  readonly vnicId: VnicId;
  readonly vnicMac: MacAddress;
  readonly mode: CnciVnicMode;
}

function parseMode(value: unknown, field: string): CnciVnicMode {
  return parseChoice(value, field, MODES);
}

const configFields = {
  tenantId: (value: unknown, field: string) => parseId<TenantId>(value, field),
  vnicId: (value: unknown, field: string) => parseId<VnicId>(value, field),
  vnicMac: parseMac,
  mode: withDefault<CnciVnicMode>(parseMode, 'bridge'),
};

const parseConfigShape = defineShape('config', configFields);

const parseRefShape = defineShape('config', {
  ...configFields,
  tenantId: parseLooseId<TenantId>,
  vnicId: parseLooseId<VnicId>,
});

/** Parses what a concentrator's VNIC is to be, for its creation. */
export function parseCnciVnicConfig(input: unknown, operation: string): CnciVnicConfig {
  return parseConfigShape(input, operation);
}

/** Parses which concentrator's VNIC is meant, for its destruction; ids may contain `_`. */
export function parseCnciVnicRef(input: unknown, operation: string): CnciVnicConfig {
  return parseRefShape(input, operation);
}
