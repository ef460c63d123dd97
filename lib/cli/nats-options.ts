import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { NatsOptionsInput, NatsTlsInput } from '../agent';
import { CommandFailure, EXIT } from './failure';
import { given } from './options';

/** What the options of {@link addNatsOptions} give. */
export interface NatsFlags {
  readonly nats?: readonly string[];
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsTokenFile?: string;
  readonly natsNkey?: string;
  readonly natsCreds?: string;
  readonly natsTls?: boolean;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
  readonly natsPrefix?: string;
  readonly natsStreams?: string;
}

/** Where the NATS servers are, and who we are to them. Secrets stand in files. */
export function addNatsOptions(command: Command): Command {
  const options: [string, string, string][] = [
    ['--nats-user <name>', 'user of the NATS servers', 'SNNET_NATS_USER'],
    ['--nats-password-file <file>', 'its password', 'SNNET_NATS_PASSWORD_FILE'],
    ['--nats-token-file <file>', 'a token, in place of a user', 'SNNET_NATS_TOKEN_FILE'],
    ['--nats-nkey <file>', 'the seed of an nkey, likewise', 'SNNET_NATS_NKEY'],
    ['--nats-creds <file>', 'credentials (JWT and seed), likewise', 'SNNET_NATS_CREDS'],
    ['--nats-ca <file>', 'PEM: authorities of the servers', 'SNNET_NATS_CA'],
    ['--nats-cert <file>', 'PEM: our certificate', 'SNNET_NATS_CERT'],
    ['--nats-key <file>', 'PEM: its private key', 'SNNET_NATS_KEY'],
    ['--nats-prefix <words>', 'what subjects begin with (ciao.v1)', 'SNNET_NATS_PREFIX'],
    ['--nats-streams <word>', 'what streams’ names begin with (CIAO)', 'SNNET_NATS_STREAMS'],
  ];
  command.addOption(
    new Option('--nats <servers>', 'NATS servers of one cluster, with commas')
      .argParser((value) => value.split(',').map((server) => server.trim()))
      .env('SNNET_NATS'),
  );
  for (const [flags, text, variable] of options) {
    command.addOption(new Option(flags, text).env(variable));
  }
  return command.option('--nats-tls', 'no connection to NATS without TLS');
}

/** What a client of the servers takes. */
export function toNatsOptions(flags: NatsFlags): Omit<NatsOptionsInput, 'uuid' | 'logger'> {
  const { nats: servers = [], natsUser, natsPasswordFile, natsTokenFile, natsNkey } = flags;
  const { natsCreds, natsPrefix, natsStreams } = flags;
  return {
    servers,
    ...given({
      user: natsUser,
      password: lineOf(natsPasswordFile, '--nats-password-file'),
      token: lineOf(natsTokenFile, '--nats-token-file'),
      nkeySeed: lineOf(natsNkey, '--nats-nkey'),
      credentials: textOf(natsCreds, '--nats-creds'),
      prefix: natsPrefix,
      streams: natsStreams,
      tls: toTls(flags),
    }),
  };
}

function toTls({ natsTls, natsCa, natsCert, natsKey }: NatsFlags): NatsTlsInput | undefined {
  const files = given({
    ca: textOf(natsCa, '--nats-ca'),
    certificate: textOf(natsCert, '--nats-cert'),
    key: textOf(natsKey, '--nats-key'),
  });
  return natsTls === true || Object.keys(files).length > 0 ? files : undefined;
}

function lineOf(path: string | undefined, option: string): string | undefined {
  return textOf(path, option)?.trim();
}

function textOf(path: string | undefined, option: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`${option} cannot be read: ${why}`, EXIT.usage);
  }
}
