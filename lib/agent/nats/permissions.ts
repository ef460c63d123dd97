import { consumerOf, inboxOf, requestSubjectOfAll, subjectsOf } from './subjects';
import type { NatsNames } from './subjects';

/** Who a user of the server is. */
export type NatsRole = 'agent' | 'launcher' | 'controller';

/** What a user may do, in the form of the server's configuration. */
export interface NatsPermissions {
  readonly publish: { readonly allow: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
}

/** A user of the server. Every value is put into the server's configuration as it is given. */
export interface NatsUser {
  readonly role: NatsRole;
  readonly uuid: string;
  /** With `password`; or the subject of a certificate, where the server goes by it (`verify_and_map`). */
  readonly user?: string | undefined;
  /** The password, or its bcrypt hash. */
  readonly password?: string | undefined;
  /** A public key, `U…`, in place of a name and a password. */
  readonly nkey?: string | undefined;
}

/**
 * What an agent, a launcher or a controller needs of the server, and nothing more: an agent reads its own
 * requests and nobody else's, and cannot make, change or delete a consumer, since whoever may do that may
 * read everything.
 */
export function describePermissions(
  names: NatsNames,
  { role, uuid }: Pick<NatsUser, 'role' | 'uuid'>,
): NatsPermissions {
  return Object.freeze({
    publish: Object.freeze({ allow: Object.freeze(publishedBy(names, role, uuid)) }),
    subscribe: Object.freeze({ allow: Object.freeze([`${inboxOf(uuid)}.>`]) }),
  });
}

/** The `authorization` of the server's configuration, for all its users. */
export function formatAuthorization(names: NatsNames, users: readonly NatsUser[]): string {
  const entries = users.map((entry) => {
    const { user, password, nkey } = entry;
    const who = { nkey, user, password };
    const words = Object.entries(who).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}: ${JSON.stringify(value)}`],
    );
    const { publish, subscribe } = describePermissions(names, entry);
    const lines = [
      ...words,
      'permissions: {',
      `  publish: { allow: ${listOf(publish.allow)} }`,
      `  subscribe: { allow: ${listOf(subscribe.allow)} }`,
      '}',
    ];
    return `    {\n${lines.map((line) => `      ${line}\n`).join('')}    }\n`;
  });
  return `authorization {\n  users = [\n${entries.join('')}  ]\n}\n`;
}

function publishedBy(names: NatsNames, role: NatsRole, uuid: string): string[] {
  switch (role) {
    case 'agent': {
      const place = `${names.requests}.${consumerOf(uuid)}`;
      return [
        `$JS.API.CONSUMER.INFO.${place}`,
        `$JS.API.CONSUMER.MSG.NEXT.${place}`,
        `$JS.ACK.${place}.>`,
        subjectsOf(names, 'events', uuid),
        subjectsOf(names, 'errors', uuid),
        subjectsOf(names, 'dead', uuid),
      ];
    }
    case 'launcher':
      return [
        requestSubjectOfAll(names, 'tenant-added'),
        requestSubjectOfAll(names, 'tenant-removed'),
      ];
    case 'controller':
      return [
        requestSubjectOfAll(names, 'assign-public-ip'),
        requestSubjectOfAll(names, 'release-public-ip'),
        requestSubjectOfAll(names, 'refresh-cnci'),
        // Makes the agents' consumers, and reads the reports by consumers of its own.
        `$JS.API.INFO`,
        ...[names.requests, names.reports, names.deadLetters].flatMap((stream) => [
          `$JS.API.STREAM.INFO.${stream}`,
          `$JS.API.CONSUMER.*.${stream}`,
          `$JS.API.CONSUMER.*.${stream}.>`,
          `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
          `$JS.API.CONSUMER.DURABLE.CREATE.${stream}.>`,
          `$JS.ACK.${stream}.>`,
        ]),
      ];
  }
}

/** A subject may hold `$`, which the server's configuration takes for a variable outside of quotes. */
function listOf(subjects: readonly string[]): string {
  return `[${subjects.map((subject) => JSON.stringify(subject)).join(', ')}]`;
}
