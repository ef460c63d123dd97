import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { NatsLauncherTransport, SsntpLauncherTransport, TenantEventOutbox } from '../agent';
import type { LauncherTransport } from '../agent';
import type { Logger } from '../model';
import { CommandFailure, EXIT } from './failure';
import { addNatsOptions, toNatsOptions } from './nats-options';
import type { NatsFlags } from './nats-options';
import { given, parseNumber } from './options';

/** What the options of {@link addOutboxOptions} give. */
export interface OutboxFlags extends NatsFlags {
  readonly id?: string;
  readonly tell?: 'nats' | 'ssntp';
  readonly outboxDir?: string;
  readonly tellAgain?: number;
  readonly ssntpServer?: string;
  readonly ssntpCacert: string;
  readonly ssntpCert: string;
}

/** SSNTP acknowledges nothing. */
const TELL_AGAIN_MS = { nats: 0, ssntp: 600_000 } as const;

/** How concentrators are told of tunnels. */
export function addOutboxOptions(command: Command): Command {
  const options = [
    new Option('--tell <how>', 'tell concentrators of tunnels, by an outbox on disk')
      .choices(['nats', 'ssntp'])
      .env('SNNET_TELL'),
    new Option('--outbox-dir <directory>', 'where it lies (/var/lib/libsnnet/outbox)').env(
      'SNNET_OUTBOX_DIR',
    ),
    new Option('--tell-again <ms>', 'tell of all tunnels again, so often (ssntp: 600000; nats: 0)')
      .argParser(parseNumber)
      .env('SNNET_TELL_AGAIN'),
    new Option(
      '--ssntp-server <host>',
      "the scheduler; default: as the authority's certificate says",
    ).env('SNNET_SSNTP_SERVER'),
    new Option('--ssntp-cacert <file>', "the authority's certificate")
      .default('/var/lib/ciao/CAcert-server-localhost.pem')
      .env('SNNET_SSNTP_CACERT'),
    new Option('--ssntp-cert <file>', 'our certificate and its key, of the role AGENT')
      .default('/var/lib/ciao/cert-client-localhost.pem')
      .env('SNNET_SSNTP_CERT'),
  ];
  for (const option of options) command.addOption(option);
  return addNatsOptions(command);
}

/** The outbox that was asked for, if one was. */
export async function openOutbox(
  flags: OutboxFlags,
  logger: Logger,
): Promise<TenantEventOutbox | undefined> {
  const { tell, id, outboxDir: dataDir, tellAgain } = flags;
  if (tell === undefined) return undefined;
  if (id === undefined) {
    throw new CommandFailure('--tell needs --id: concentrators know this node by it', EXIT.usage);
  }
  const transport = makeTransport(flags, tell, { uuid: id, logger });
  try {
    return await TenantEventOutbox.open({
      ...{ agentUuid: id, transport, logger, repeatMs: tellAgain ?? TELL_AGAIN_MS[tell] },
      ...given({ dataDir }),
    });
  } catch (error) {
    await transport.close();
    throw error;
  }
}

function makeTransport(
  flags: OutboxFlags,
  tell: 'nats' | 'ssntp',
  common: { readonly uuid: string; readonly logger: Logger },
): LauncherTransport {
  if (tell === 'nats') return new NatsLauncherTransport({ ...toNatsOptions(flags), ...common });
  const { ssntpServer, ssntpCert, ssntpCacert } = flags;
  return SsntpLauncherTransport.open({
    ...common,
    certificate: read(ssntpCert, '--ssntp-cert'),
    ca: read(ssntpCacert, '--ssntp-cacert'),
    roles: ['AGENT'],
    ...(ssntpServer !== undefined && { servers: [ssntpServer] }),
  });
}

function read(path: string, option: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`${option} cannot be read: ${why}`, EXIT.usage);
  }
}
