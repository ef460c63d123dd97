import { isLibsnnetError } from '../errors';
import type { Kernel } from '../kernel';
import { numberToAddress } from '../model';
import { isSame } from '../ruleset';
import { findDropping, judgeDropping, readPassage } from './passage';
import type { FirewallFinding } from './results';
import { Surroundings, readBridgeFilter, readForwarding, readLegacyTables } from './surroundings';
import { FirewallTable } from './table';

/** Looks for whatever keeps the firewall from doing what it says. */
export async function auditFirewall(
  kernel: Kernel,
  table: FirewallTable,
  netns: string | undefined,
): Promise<readonly FirewallFinding[]> {
  const dropping = await findDropping(kernel);
  const passage = await readPassage(kernel, table.ledger);
  const findings = [
    ...(await tableFindings(kernel, table)),
    ...(await deviceFindings(kernel, table)),
    ...judgeDropping(dropping, passage),
    ...bridgeFindings(await readBridgeFilter(kernel)),
    ...legacyFindings(await readLegacyTables(netns)),
  ];
  return Object.freeze(findings.map((finding) => Object.freeze(finding)));
}

async function tableFindings(kernel: Kernel, table: FirewallTable): Promise<FirewallFinding[]> {
  const found = (text: string, remedy: string): FirewallFinding[] => [
    { type: 'table-changed', text, remedy },
  ];
  try {
    const standing = await FirewallTable.read(kernel, 'audit');
    if (standing === undefined) return found('the table is not there', 'open the firewall');
    if (standing.isWhole && isSame(standing.ledger, table.ledger)) return [];
    return found('the table is not as we left it', 'any change puts it right, or open it again');
  } catch (error) {
    if (!isLibsnnetError(error, 'SNNET_FIREWALL_FOREIGN')) throw error;
    return found(error.message, error.remedy);
  }
}

async function deviceFindings(
  kernel: Kernel,
  { ledger }: FirewallTable,
): Promise<FirewallFinding[]> {
  const findings: FirewallFinding[] = [];
  if (!(await readForwarding(kernel))) {
    findings.push({
      type: 'forwarding-off',
      text: 'net.ipv4.ip_forward is 0: nothing goes between tenants and the outside',
      remedy: "routing('enable'), or snnet firewall routing enable",
    });
  }
  const surroundings = await Surroundings.read(kernel);
  for (const device of ledger.external) {
    if (surroundings.has(device)) continue;
    findings.push({
      type: 'missing-device',
      text: `the external device ${device} is not there`,
      remedy: 'its rules wait for it; if it will not come back, open the firewall without it',
    });
  }
  for (const [address, { device }] of ledger.published) {
    const publicIp = numberToAddress(address);
    const rows = surroundings.addressesOf(device);
    if (!surroundings.has(device) || rows.some((row) => row.address === publicIp)) continue;
    findings.push({
      type: 'missing-address',
      text: `the public address ${publicIp} is not on ${device}`,
      remedy: `ip address add ${publicIp}/32 dev ${device}, or open the firewall again`,
    });
  }
  return findings;
}

// A frame whose destination is changed while it is bridged never leaves by the port it came by
// (net/bridge/br_netfilter_hooks.c, br_nf_pre_routing_finish).
function bridgeFindings(isFiltered: boolean): FirewallFinding[] {
  if (!isFiltered) return [];
  const text =
    'net.bridge.bridge-nf-call-iptables is 1: frames within a bridge go through the chains for IPv4, of everybody, and a workload cannot reach itself by an address or a port of the outside';
  const remedy =
    'sysctl -w net.bridge.bridge-nf-call-iptables=0, unless docker or kubernetes needs it here';
  return [{ type: 'bridge-filtered', text, remedy }];
}

/** What rules of iptables-legacy mean here. */
export function legacyFindings(tables: readonly string[]): FirewallFinding[] {
  if (tables.length === 0) return [];
  const text = `iptables-legacy is in use (${tables.join(', ')}): what it drops nothing else can let through`;
  const remedy =
    'move its rules to iptables-nft (update-alternatives --set iptables /usr/sbin/iptables-nft) and flush them with iptables-legacy -F, -X, -t nat -F, -t nat -X';
  return [{ type: 'legacy-iptables', text, remedy }];
}
