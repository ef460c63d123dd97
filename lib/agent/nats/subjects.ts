import { AGENT_REPORT_KINDS, AGENT_REQUEST_KINDS } from '../messages';
import type { AgentReportKind, AgentRequestKind } from '../messages';

/** What streams and subjects are called. */
export interface NatsNames {
  /** What all subjects begin with. */
  readonly prefix: string;
  /** Stream of the requests to agents. */
  readonly requests: string;
  /** Stream of what agents report. */
  readonly reports: string;
  /** Stream of what agents refused, or failed at too often. */
  readonly deadLetters: string;
}

/** What an agent's own names end in. */
export type SubjectArea = 'cnci' | 'events' | 'errors' | 'dead';

const REQUEST_TOKENS: Readonly<Record<AgentRequestKind, string>> = {
  'tenant-added': 'tenant_added',
  'tenant-removed': 'tenant_removed',
  'assign-public-ip': 'assign_public_ip',
  'release-public-ip': 'release_public_ip',
  'refresh-cnci': 'refresh',
};
const PLAIN = /^[A-Za-z0-9_-]+$/;

export function namesOf(prefix: string, streams: string): NatsNames {
  return Object.freeze({
    prefix,
    requests: `${streams}_CNCI`,
    reports: `${streams}_REPORTS`,
    deadLetters: `${streams}_DEAD`,
  });
}

/** An id as a part of a subject: UUIDs as they are; what a subject cannot hold as `=` and its code. */
export function tokenOf(id: string): string {
  return PLAIN.test(id)
    ? id
    : [...Buffer.from(id)]
        .map((byte) => {
          const sign = String.fromCharCode(byte);
          return PLAIN.test(sign) ? sign : `=${byte.toString(16).padStart(2, '0')}`;
        })
        .join('');
}

/** Everything of one agent in one area. */
export function subjectsOf({ prefix }: NatsNames, area: SubjectArea, uuid: string): string {
  return `${prefix}.${area}.${tokenOf(uuid)}.*`;
}

/** Where a request to an agent is published. */
export function requestSubject(names: NatsNames, uuid: string, kind: AgentRequestKind): string {
  return `${names.prefix}.cnci.${tokenOf(uuid)}.${REQUEST_TOKENS[kind]}`;
}

/** Where any agent's request of a kind is published: for permissions. */
export function requestSubjectOfAll({ prefix }: NatsNames, kind: AgentRequestKind): string {
  return `${prefix}.cnci.*.${REQUEST_TOKENS[kind]}`;
}

/** What a request asks for; nothing where the subject is none of ours. */
export function kindOfRequest(subject: string): AgentRequestKind | undefined {
  const token = lastToken(subject);
  return AGENT_REQUEST_KINDS.find((kind) => REQUEST_TOKENS[kind] === token);
}

/** Where an agent's report is published. */
export function reportSubject(names: NatsNames, uuid: string, kind: AgentReportKind): string {
  const area = kind.endsWith('-failure') ? 'errors' : 'events';
  return `${names.prefix}.${area}.${tokenOf(uuid)}.${kind.replaceAll('-', '_')}`;
}

/** What a report says; nothing where the subject is none of ours. */
export function kindOfReport(subject: string): AgentReportKind | undefined {
  const kind = lastToken(subject).replaceAll('_', '-');
  return AGENT_REPORT_KINDS.find((known) => known === kind);
}

/** Where a request goes that its agent cannot do. */
export function deadLetterSubject(names: NatsNames, uuid: string, subject: string): string {
  return `${names.prefix}.dead.${tokenOf(uuid)}.${lastToken(subject)}`;
}

/** An agent's durable consumer. */
export function consumerOf(uuid: string): string {
  return `cnci-${tokenOf(uuid)}`;
}

/** Where a client's answers arrive: nobody else may listen there. */
export function inboxOf(uuid: string): string {
  return `_INBOX_${tokenOf(uuid)}`;
}

function lastToken(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
