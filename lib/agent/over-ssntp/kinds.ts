import type { AgentReportKind, AgentRequestKind, TenantEvent } from '../messages';
import type { SsntpFrame, SsntpMessage } from '../ssntp';

/** Which frame carries a message. */
type FrameKind = Pick<SsntpMessage, 'type' | 'operand'>;

const REQUESTS: Readonly<Record<AgentRequestKind, FrameKind>> = {
  'tenant-added': { type: 'EVENT', operand: 'TenantAdded' },
  'tenant-removed': { type: 'EVENT', operand: 'TenantRemoved' },
  'assign-public-ip': { type: 'COMMAND', operand: 'AssignPublicIP' },
  'release-public-ip': { type: 'COMMAND', operand: 'ReleasePublicIP' },
  'refresh-cnci': { type: 'COMMAND', operand: 'RefreshCNCI' },
};

const REPORTS: Readonly<Record<AgentReportKind, FrameKind>> = {
  'concentrator-instance-added': { type: 'EVENT', operand: 'ConcentratorInstanceAdded' },
  'public-ip-assigned': { type: 'EVENT', operand: 'PublicIPAssigned' },
  'public-ip-unassigned': { type: 'EVENT', operand: 'PublicIPUnassigned' },
  'assign-public-ip-failure': { type: 'ERROR', operand: 'AssignPublicIPFailure' },
  'unassign-public-ip-failure': { type: 'ERROR', operand: 'UnassignPublicIPFailure' },
};

const KIND_OF_FRAME = new Map(
  Object.entries(REQUESTS).map(([kind, frame]) => [nameOf(frame), kind as AgentRequestKind]),
);

/** What a frame asks an agent for; `undefined`: nothing. */
export function requestKindOf(frame: SsntpFrame): AgentRequestKind | undefined {
  return KIND_OF_FRAME.get(nameOf(frame));
}

/** The frame of a message with its payload. */
export function frameFor(
  kind: AgentReportKind | TenantEvent['kind'],
  payload: string,
): SsntpMessage {
  const frame =
    kind === 'tenant-added' || kind === 'tenant-removed' ? REQUESTS[kind] : REPORTS[kind];
  // The tables give each type its own operands.
  return { ...frame, payload } as SsntpMessage;
}

function nameOf({ type, operand }: Pick<SsntpFrame, 'type' | 'operand'>): string {
  return `${type} ${operand}`;
}
