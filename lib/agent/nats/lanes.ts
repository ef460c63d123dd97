import { parseAgentRequest } from '../messages';
import type { AgentRequestKind } from '../messages';

/** What cannot be read is refused by whoever executes it, one after the other. */
const UNREADABLE = 'unreadable';

/**
 * What a request is about: requests about the same are executed one after the other, in the order in which
 * they were sent; all others need not wait for them.
 */
export function laneOf(kind: AgentRequestKind, payload: string): string {
  switch (kind) {
    case 'tenant-added':
    case 'tenant-removed':
      return subnetOf(kind, payload);
    case 'assign-public-ip':
    case 'release-public-ip':
      // One address may move from workload to workload, and a workload from address to address.
      return 'public addresses';
    case 'refresh-cnci':
      return 'concentrators';
  }
}

function subnetOf(kind: AgentRequestKind, payload: string): string {
  try {
    const request = parseAgentRequest(kind, payload);
    return 'tenantSubnet' in request ? `subnet ${request.tenantSubnet}` : UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}
