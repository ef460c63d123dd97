import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { NatsAgentTransport, SsntpAgentTransport } from '../agent';
import type { AgentTransport } from '../agent';
import type { Logger } from '../model';
import { CommandFailure, EXIT } from './failure';
import { addNatsOptions, toNatsOptions } from './nats-options';
import type { NatsFlags } from './nats-options';
import { given } from './options';

/** What the options of {@link addTransportOptions} give. */
export interface TransportFlags extends NatsFlags {
  readonly transport: 'ssntp' | 'nats';
  readonly natsSetUp?: boolean;
  readonly server?: string;
  readonly cacert: string;
  readonly cert: string;
}

/** What every transport must know. */
export interface TransportSetting {
  /** The agent's UUID. */
  readonly id: string;
  readonly logger: Logger;
}

/** Over what requests come, and whom to ask. */
export function addTransportOptions(command: Command): Command {
  return addNatsOptions(command)
    .option('--nats-set-up', 'make the streams and the consumer, where they are not there')
    .addOption(
      new Option('--transport <name>', 'how requests come')
        .choices(['ssntp', 'nats'])
        .default('ssntp')
        .env('SNNET_AGENT_TRANSPORT'),
    )
    .addOption(
      new Option(
        '--server <host>',
        "the scheduler; left out, or `auto`: those that the authority's certificate names",
      ).env('SNNET_AGENT_SERVER'),
    )
    .addOption(
      new Option('--cacert <file>', "the authority's certificate")
        .default('/var/lib/ciao/CAcert-server-localhost.pem')
        .env('SNNET_AGENT_CACERT'),
    )
    .addOption(
      new Option('--cert <file>', "the agent's certificate and its key")
        .default('/var/lib/ciao/cert-client-localhost.pem')
        .env('SNNET_AGENT_CERT'),
    );
}

/** The transport that was asked for; it connects when the agent runs. */
export function makeTransport(
  flags: TransportFlags,
  { id, logger }: TransportSetting,
): AgentTransport {
  if (flags.transport === 'nats') {
    const { natsSetUp } = flags;
    return new NatsAgentTransport({
      ...toNatsOptions(flags),
      ...{ uuid: id, logger },
      ...given({ setUp: natsSetUp }),
    });
  }
  const { server = 'auto', cacert, cert } = flags;
  return new SsntpAgentTransport({
    uuid: id,
    certificate: readPem(cert, '--cert'),
    ca: readPem(cacert, '--cacert'),
    roles: ['CNCIAGENT'],
    logger,
    ...(server !== 'auto' && { servers: [server] }),
  });
}

function readPem(path: string, option: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`${option} cannot be read: ${why}`, EXIT.usage);
  }
}
