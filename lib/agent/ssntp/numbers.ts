/**
 * The numbers of SSNTP as the programs send them; the tables in the original's own documentation are
 * wrong in places.
 */

/** Kinds of frames. */
export const FRAME_TYPES = ['COMMAND', 'STATUS', 'ERROR', 'EVENT'] as const;
export type SsntpFrameType = (typeof FRAME_TYPES)[number];

/** What a frame of each kind can say; the place in the list is the number on the wire. */
export const OPERANDS = {
  COMMAND: [
    'CONNECT',
    'START',
    'STATS',
    'EVACUATE',
    'DELETE',
    'AssignPublicIP',
    'ReleasePublicIP',
    'CONFIGURE',
    'AttachVolume',
    'Restore',
    'RefreshCNCI',
  ],
  STATUS: ['CONNECTED', 'READY', 'FULL', 'OFFLINE', 'MAINTENANCE'],
  EVENT: [
    'TenantAdded',
    'TenantRemoved',
    'InstanceDeleted',
    'ConcentratorInstanceAdded',
    'PublicIPAssigned',
    'PublicIPUnassigned',
    'TraceReport',
    'NodeConnected',
    'NodeDisconnected',
    'InstanceStopped',
  ],
  ERROR: [
    'InvalidFrameType',
    'StartFailure',
    'ConnectionFailure',
    'DeleteFailure',
    'ConnectionAborted',
    'InvalidConfiguration',
    'AttachVolumeFailure',
    'AssignPublicIPFailure',
    'UnassignPublicIPFailure',
  ],
} as const satisfies Readonly<Record<SsntpFrameType, readonly string[]>>;

/** The operands of one kind of frame by name. */
export type SsntpOperand<T extends SsntpFrameType = SsntpFrameType> = (typeof OPERANDS)[T][number];

/** What a program may be: a bit in CONNECT and CONNECTED, an extended key usage in its certificate. */
export const ROLES = {
  SERVER: { bit: 0x01, oid: '1.3.6.1.4.1.343.8.5' },
  Controller: { bit: 0x02, oid: '1.3.6.1.4.1.343.8.3' },
  AGENT: { bit: 0x04, oid: '1.3.6.1.4.1.343.8.1' },
  SCHEDULER: { bit: 0x08, oid: '1.3.6.1.4.1.343.8.2' },
  NETAGENT: { bit: 0x10, oid: '1.3.6.1.4.1.343.8.4' },
  CNCIAGENT: { bit: 0x20, oid: '1.3.6.1.4.1.343.8.6' },
} as const satisfies Readonly<Record<string, { readonly bit: number; readonly oid: string }>>;

export type SsntpRole = keyof typeof ROLES;

export const ROLE_NAMES = Object.freeze(Object.keys(ROLES)) as readonly SsntpRole[];

/** The roles whose bits are set; `undefined` if a bit is no role's, or none is set. */
export function rolesOfBits(bits: number): readonly SsntpRole[] | undefined {
  const roles = ROLE_NAMES.filter((role) => (bits & ROLES[role].bit) !== 0);
  return roles.length > 0 && bitsOfRoles(roles) === bits ? Object.freeze(roles) : undefined;
}

export function bitsOfRoles(roles: readonly SsntpRole[]): number {
  return roles.reduce((bits, role) => bits | ROLES[role].bit, 0);
}

/** The roles that a certificate's list of extended key usages grants. */
export function rolesOfUsages(usages: readonly string[]): readonly SsntpRole[] {
  return Object.freeze(ROLE_NAMES.filter((role) => usages.includes(ROLES[role].oid)));
}

export const COMMAND = 0;
export const STATUS = 1;
export const ERROR = 2;
export const EVENT = 3;
export const CONNECT = 0;
export const CONNECTED = 0;
export const INVALID_FRAME_TYPE = 0;
export const CONNECTION_FAILURE = 2;
export const CONNECTION_ABORTED = 4;
