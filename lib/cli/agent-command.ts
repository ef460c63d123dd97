import { readFileSync } from 'node:fs';
import { Option } from 'commander';
import type { Command } from 'commander';
import { claimSsntpIdentity, CnciAgent, makeAgentMonitor, serveMonitor } from '../agent';
import type { AgentObserver, MonitorServer, SsntpIdentity } from '../agent';
import type { Logger } from '../model';
import { keepHeapSmall, notifyService, parseAddress, untilTerminated } from '../service';
import { addTransportOptions, makeTransport } from './agent-transports';
import type { TransportFlags } from './agent-transports';
import { lineLogger } from './log';
import {
  addDhcpOptions,
  addHostOptions,
  given,
  meshModeOption,
  meshPrefixLengthOption,
  tenantOption,
  toCnciOptions,
  toDhcpChoice,
} from './options';
import type { DhcpFlags, HostFlags } from './options';
import { printLine } from './output';

interface AgentFlags extends HostFlags, DhcpFlags, TransportFlags {
  readonly tenantId?: string;
  readonly network: boolean;
  readonly ssh: boolean;
  readonly subnetKeys?: 'any' | 'of-subnet';
  readonly dataDir?: string;
  readonly identityDir?: string;
  readonly metadata: string;
  readonly monitor: string;
  readonly verbose?: boolean;
}

/** After so long without a request it is worth looking what is left in memory. */
const QUIET_MS = 1000;

const AFTERWORD = `
Flags of ciao-cnci-agent are taken as they are: -server, -cacert, -cert, -compute-net, -mgmt-net, -network,
-ssh, -uuid, -v, with one dash or two. Those of its log library are passed over: log lines go to stderr.`;

/** `snnet agent`: the service of a tenant's concentrator, until it is told to end. */
export function addAgentCommand(program: Command): void {
  const command = addTransportOptions(
    addDhcpOptions(
      addHostOptions(
        program.command('agent').description("the service of a tenant's concentrator"),
      ),
    ),
  )
    .option(
      '--config <file>',
      'the options as JSON, by their names: {"computeNet": …}; options win',
    )
    .addOption(tenantOption())
    .addOption(meshModeOption())
    .addOption(meshPrefixLengthOption())
    .addOption(
      switchOption('--network [boolean]', 'do what is asked for, and not only remember it'),
    )
    .addOption(switchOption('--ssh [boolean]', 'a port for port 22 of each workload'))
    .addOption(
      new Option('--subnet-keys <which>', 'of-subnet: only keys as ciao computes them').choices([
        'any',
        'of-subnet',
      ]),
    )
    .addOption(
      new Option('--data-dir <directory>', 'for the store (/var/lib/libsnnet/agent)').env(
        'SNNET_AGENT_DATA_DIR',
      ),
    )
    .option('--identity-dir <directory>', "for the UUID, where none is given (ciao's)")
    .addOption(
      new Option('--metadata <file>', 'that may name the UUID').default(
        '/media/openstack/latest/meta_data.json',
      ),
    )
    .addOption(
      new Option(
        '--monitor <address>',
        'metrics and health: unix:///path, tcp://127.0.0.1:port, none',
      )
        .default('unix:///run/libsnnet/agent/monitor.sock')
        .env('SNNET_AGENT_MONITOR'),
    )
    .option('--verbose', 'more in the log')
    .addHelpText('after', AFTERWORD);
  command.action(() => serve(command.optsWithGlobals(), untilTerminated()));
}

function switchOption(flags: string, text: string): Option {
  return new Option(flags, text)
    .choices(['true', 'false'])
    .argParser((value) => value !== 'false')
    .preset(true)
    .default(true);
}

async function serve(flags: AgentFlags, signal: AbortSignal): Promise<void> {
  const tidy = keepHeapSmall();
  const logger = lineLogger(flags.json, flags.verbose === true);
  const identity = await identify(flags, logger);
  try {
    const monitor = flags.monitor === 'none' ? undefined : makeAgentMonitor();
    await using agent = await openAgent(flags, identity.uuid, {
      logger,
      observer: tidying(tidy, monitor?.observer),
    });
    monitor?.watch(agent);
    await using server = new Closing(
      monitor &&
        (await serveMonitor({ monitor, agent, address: parseAddress(flags.monitor, 'monitor') })),
    );
    const { tunnels, publicIps } = agent.state;
    const known = `${String(tunnels)} tunnels and ${String(publicIps)} public addresses`;
    const address = server.address;
    printLine(flags.json, {
      data: { ...agent.state, ...given({ monitor: address }) },
      text: `agent ${agent.id} serves ${known}${address === undefined ? '' : `; look at ${address}`}`,
    });
    await notifyService('READY=1', `STATUS=${known}`);
    tidy();
    await agent.run(signal);
    await notifyService('STOPPING=1');
  } finally {
    await identity.release();
  }
}

function openAgent(
  flags: AgentFlags,
  id: string,
  { logger, observer }: { readonly logger: Logger; readonly observer: AgentObserver },
): Promise<CnciAgent> {
  const { network, ssh, subnetKeys, dataDir } = flags;
  return CnciAgent.open({
    // A concentrator that knows no tenant goes by its own name.
    cnci: toCnciOptions({ tenantId: id, ...flags, id, dhcp: toDhcpChoice(flags) }),
    transport: makeTransport(flags, { id, logger }),
    network,
    ssh,
    logger,
    observer,
    ...given({ subnetKeys, dataDir }),
  });
}

/** As the original looks: what is said, what the metadata of the VM say, what is remembered. */
async function identify(flags: AgentFlags, logger: Logger): Promise<SsntpIdentity> {
  const uuid = flags.id ?? readMetadata(flags.metadata, logger);
  if (uuid !== undefined) return { uuid: uuid.toLowerCase(), release: () => Promise.resolve() };
  return claimSsntpIdentity({ role: 'CNCIAGENT', ...given({ directory: flags.identityDir }) });
}

function readMetadata(path: string, logger: Logger): string | undefined {
  try {
    const { uuid } = JSON.parse(readFileSync(path, 'utf8')) as { readonly uuid?: unknown };
    if (typeof uuid === 'string' && uuid !== '') return uuid;
    logger.warn('the metadata name no UUID', { path });
  } catch (error) {
    const isAbsent = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isAbsent) logger.warn('the metadata cannot be read', { path, why: String(error) });
  }
  return undefined;
}

/** Tells the monitor, and tidies up when nothing has come for a while. */
function tidying(tidy: () => void, observer: AgentObserver | undefined): AgentObserver {
  const timer = setTimeout(tidy, QUIET_MS).unref();
  return {
    requested: (kind, outcome, seconds) => {
      observer?.requested(kind, outcome, seconds);
      timer.refresh();
    },
    reported: (kind, isSent) => observer?.reported(kind, isSent),
  };
}

/** A server that may not be there, closed when its block ends. */
class Closing implements AsyncDisposable {
  readonly #server: MonitorServer | undefined;

  constructor(server: MonitorServer | undefined) {
    this.#server = server;
  }

  get address(): string | undefined {
    return this.#server?.address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.close();
  }
}
