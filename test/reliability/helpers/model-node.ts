/**
 * The world of the model check of a compute node: two tenants with two subnets each, whose names, and
 * whose VNICs' addresses and MACs, are the same; calls at the same time, callers who give up, strangers.
 */
import * as fc from 'fast-check';
import type { VnicConfigInput } from '#lib/model/index';

import { CONC_IP } from '../../kernel/helpers/node';

export const TENANTS = 2;
export const SUBNETS = 2;
export const ADDRESSES = 4;
export const CNCI_VNICS = 2;
const OTHER_CONC_IP = '198.51.100.10';

/** A VNIC, there or not. */
export interface Slot {
  readonly tenant: number;
  readonly subnet: number;
  readonly address: number;
}

/** When a call begins, in milliseconds, and when its caller gives up. */
export interface Timing {
  readonly delay: number;
  readonly abort?: number | undefined;
  readonly timeout?: number | undefined;
}

export type Call = Timing &
  (
    | { readonly op: 'create' | 'destroy'; readonly slot: Slot }
    | { readonly op: 'create-cnci' | 'destroy-cnci'; readonly index: number }
    | { readonly op: 'rebuild' | 'audit' | 'topology' }
  );

/** What a stranger does to the n-th of our links, or beside them. */
export interface Harm {
  readonly op:
    | 'delete'
    | 'rename'
    | 're-alias'
    | 'down'
    | 'detach'
    | 'move-away'
    | 'foreign-port'
    | 'impostor'
    | 'wrong-kind';
  readonly victim: number;
  readonly delay: number;
}

/** Things that happen at the same time, or one that happens alone. */
export type Turn =
  | {
      readonly op: 'together';
      readonly calls: readonly Call[];
      readonly harms: readonly Harm[];
      /** The node is closed while they run, and opened anew. */
      readonly closes: boolean;
    }
  | { readonly op: 'repoint'; readonly tenant: number }
  | { readonly op: 'reset' | 'reopen' | 'repair' };

export interface Sequence {
  /** Somebody watches all the time, and has everything mended. */
  readonly heals: boolean;
  readonly turns: readonly Turn[];
}

const HARMS = [
  'delete',
  'rename',
  're-alias',
  'down',
  'detach',
  'move-away',
  'foreign-port',
  'impostor',
  'wrong-kind',
] as const;

const slots = fc.record({
  tenant: fc.nat(TENANTS - 1),
  subnet: fc.nat(SUBNETS - 1),
  address: fc.nat(ADDRESSES - 1),
});

// Most callers are patient.
const patience = fc.option(fc.nat(6), { freq: 5, nil: undefined });
const deadline = fc.option(fc.integer({ min: 1, max: 8 }), { freq: 8, nil: undefined });
const timing = { delay: fc.nat(6), abort: patience, timeout: deadline };

const calls: fc.Arbitrary<Call> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constantFrom('create' as const, 'create' as const, 'destroy' as const),
      slot: slots,
      ...timing,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('create-cnci' as const, 'destroy-cnci' as const),
      index: fc.nat(CNCI_VNICS - 1),
      ...timing,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constantFrom('rebuild' as const, 'audit' as const, 'topology' as const),
      delay: fc.nat(6),
    }),
  },
);

const harms = fc.record({ op: fc.constantFrom(...HARMS), victim: fc.nat(30), delay: fc.nat(8) });

function turns(withHarm: boolean): fc.Arbitrary<Turn> {
  const solitary: fc.Arbitrary<Turn>[] = [
    fc.record({ op: fc.constant('repoint' as const), tenant: fc.nat(TENANTS - 1) }),
    fc.record({ op: fc.constantFrom('reset' as const, 'reopen' as const, 'repair' as const) }),
  ];
  const together = fc.record({
    op: fc.constant('together' as const),
    calls: fc.array(calls, { minLength: 1, maxLength: 32, size: 'max' }),
    harms: withHarm ? fc.array(harms, { maxLength: 3 }) : fc.constant([]),
    closes: fc.integer({ min: 0, max: 9 }).map((n) => n === 9),
  });
  return fc.oneof(
    { weight: 8, arbitrary: together },
    ...solitary.map((arbitrary) => ({ weight: 1, arbitrary })),
  );
}

/** Half of them with strangers: without, nothing may ever be out of order. */
export const sequences: fc.Arbitrary<Sequence> = fc.boolean().chain((withHarm) =>
  fc.record({
    heals: fc.boolean(),
    turns: fc.array(turns(withHarm), { minLength: 1, maxLength: 12, size: 'max' }),
  }),
);

export function concIpOf(index: number): string {
  return index === 0 ? CONC_IP : OTHER_CONC_IP;
}

export function configOf({ tenant, subnet, address }: Slot, conc: number): VnicConfigInput {
  const last = String(address + 2);
  return {
    role: address % 2 === 0 ? 'vm' : 'container',
    tenantId: tenantId(tenant),
    // The same for both tenants, as are the addresses.
    subnetId: `s${String(subnet)}`,
    concId: 'c',
    concIp: concIpOf(conc),
    vnicId: `v${last}`,
    vnicIp: `172.16.0.${last}`,
    vnicMac: `02:00:ac:10:00:0${last}`,
    subnet: '172.16.0.0/24',
    subnetKey: keyOf(tenant, subnet),
    ...(address === 2 && { queues: 2 }),
  };
}

export function tenantId(tenant: number): string {
  return tenant === 0 ? 'alpha' : 'beta';
}

// On VXLAN a key belongs to one subnet of a node.
export function keyOf(tenant: number, subnet: number): number {
  return 100 + tenant * 10 + subnet;
}

export function cnciConfigOf(index: number) {
  return {
    tenantId: tenantId(index),
    vnicId: 'cnci',
    vnicMac: `02:00:00:00:01:0${String(index + 1)}`,
  };
}
