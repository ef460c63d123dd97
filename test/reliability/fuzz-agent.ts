/** The YAML of the requests and reports between schedulers and agents. */
import {
  AGENT_REPORT_KINDS,
  AGENT_REQUEST_KINDS,
  formatAgentReport,
  formatAgentRequest,
  parseAgentReport,
  parseAgentRequest,
} from '#lib/agent/messages/index';
import { mutateText } from './fuzz-mutate';
import { refusalOfOurs } from './fuzz-target';
import type { Target } from './fuzz-target';

const UUID = '11111111-1111-4111-8111-111111111111';
const TENANT_FIELDS =
  `  agent_uuid: ${UUID}\n  agent_ip: 198.51.100.7\n  tenant_uuid: ${UUID}\n` +
  '  tenant_subnet: 172.16.1.0/24\n  concentrator_uuid: c1\n' +
  '  concentrator_ip: 198.51.100.9\n  subnet_key: 17\n';
const PUBLIC_IP_FIELDS =
  `  concentrator_uuid: ${UUID}\n  tenant_uuid: ${UUID}\n  instance_uuid: ${UUID}\n` +
  '  public_ip: 203.0.113.9\n  private_ip: 172.16.1.5\n  vnic_mac: 02:00:00:00:00:05\n';

/** A message, and what of: its first line is a comment that says which kind it is read as. */
const SEEDS: readonly (readonly [kind: string, text: string])[] = [
  ['tenant-added', `tenant_added:\n${TENANT_FIELDS}`],
  ['tenant-removed', `tenant_removed:\n${TENANT_FIELDS}`],
  ['assign-public-ip', `assign_public_ip:\n${PUBLIC_IP_FIELDS}`],
  ['release-public-ip', `release_public_ip:\n${PUBLIC_IP_FIELDS}`],
  ['public-ip-assigned', `public_ip_assigned:\n${PUBLIC_IP_FIELDS}`],
  ['assign-public-ip-failure', `${PUBLIC_IP_FIELDS.replaceAll('  ', '')}reason: no_instance\n`],
  [
    'refresh-cnci',
    `cnci_refresh:\n  cnci_uuid: ${UUID}\n  cncis:\n    - physical_ip: 198.51.100.9\n` +
      '      subnet: 172.16.1.0/24\n      tunnel_ip: 192.168.0.1\n      tunnel_id: 9\n',
  ],
  [
    'concentrator-instance-added',
    `concentrator_instance_added:\n  instance_uuid: ${UUID}\n  tenant_uuid: ${UUID}\n` +
      '  concentrator_ip: 198.51.100.9\n  concentrator_mac: "020000000005"\n',
  ],
  [
    'tenant-added',
    'tenant_added: &a\n  x: [1, {y: *a}, !!binary aGk=, 0x10, 1e3, ~]\n? {z: 1}\n: "\\u0000"\n',
  ],
];

export const agentMessages: Target<string> = {
  name: 'agent messages',
  seeds: SEEDS.map(([kind, text]) => `# ${kind}\n${text}`),
  mutate: mutateText,
  run: (text) => {
    const named = /[a-z-]{9,}/.exec(text)?.[0];
    const report = AGENT_REPORT_KINDS.find((kind) => kind === named);
    if (report !== undefined) {
      const message = parseAgentReport(report, text);
      return wordOf(message, parseAgentReport(report, formatAgentReport(message)));
    }
    const request = AGENT_REQUEST_KINDS.find((kind) => kind === named) ?? 'tenant-added';
    const message = parseAgentRequest(request, text);
    return wordOf(message, parseAgentRequest(request, formatAgentRequest(message)));
  },
  refusalOf: refusalOfOurs,
};

/** What was read is what is read of its own text. */
function wordOf(message: { readonly kind: string }, again: object): string {
  if (JSON.stringify(again) !== JSON.stringify(message)) throw new Error('it reads another');
  return message.kind;
}
