import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type * as AgentCommand from './agent-command';
import { agentWords } from './agent-words';
import type * as CnciCommands from './cnci-commands';
import type * as CniCommands from './cni-commands';
import type * as Demo from './demo';
import type * as DockerCommand from './docker-command';
import type * as DoctorCommand from './doctor-command';
import { EXIT, explain, SilentFailure } from './failure';
import type * as FirewallCommands from './firewall-commands';
import type * as NodeCommands from './node-commands';
import type * as TopologyCommand from './topology-command';

const AFTERWORD = `
Options can come from the environment: SNNET_ID, SNNET_MODE, SNNET_COMPUTE_NET, SNNET_NETNS, …
(see the help of each command). The kernel is asked each time; nothing else is remembered.

Status: 0 done, 1 failed and nothing left behind, 2 usage or bad input, 3 to be repaired by hand.`;

type AddCommand = (program: Command) => void;

const load = createRequire(__filename);

/** Each command loads what it needs and no other's: a quarter of a daemon's restart is loading. */
const COMMANDS: Readonly<Record<string, () => AddCommand>> = {
  node: () => (load('./node-commands') as typeof NodeCommands).addNodeCommands,
  cnci: () => (load('./cnci-commands') as typeof CnciCommands).addCnciCommands,
  firewall: () => (load('./firewall-commands') as typeof FirewallCommands).addFirewallCommands,
  cni: () => (load('./cni-commands') as typeof CniCommands).addCniCommands,
  topology: () => (load('./topology-command') as typeof TopologyCommand).addTopologyCommand,
  doctor: () => (load('./doctor-command') as typeof DoctorCommand).addDoctorCommand,
  'docker-plugin': () => (load('./docker-command') as typeof DockerCommand).addDockerCommand,
  agent: () => (load('./agent-command') as typeof AgentCommand).addAgentCommand,
  demo: () => (load('./demo') as typeof Demo).addDemoCommand,
};

/** Runs one command line; resolves with the status for the shell and never rejects. */
export async function runCli(words: readonly string[]): Promise<number> {
  dropEmptyVariables();
  const json = words.includes('--json');
  try {
    const program = buildProgram(json);
    for (const loadOne of commandsFor(words)) loadOne()(program);
    await program.parseAsync(agentWords(words), { from: 'user' });
    return EXIT.done;
  } catch (error) {
    return report(error, json);
  }
}

/** The command that is asked for; all of them for help, and for what is none. */
function commandsFor(words: readonly string[]): readonly (() => AddCommand)[] {
  const asked = words.find((word) => !word.startsWith('-')) ?? '';
  const found = Object.hasOwn(COMMANDS, asked) ? COMMANDS[asked] : undefined;
  return found === undefined ? Object.values(COMMANDS) : [found];
}

/** The program without its commands. Commander's own complaints go to stderr as text, or are left to {@link runCli}. */
function buildProgram(json: boolean): Command {
  return new Command('snnet')
    .description('Tenant overlay networking for Linux, spoken straight to the kernel')
    .version(packageVersion())
    .option('--json', 'print results and errors as JSON')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      outputError: (text, write) => {
        if (!json) write(text.replace(/^error:/, 'snnet:'));
      },
    })
    .addHelpText('after', AFTERWORD);
}

function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.done;
    if (json) printError({ name: 'UsageError', message: error.message.replace(/^error: /, '') });
    return EXIT.usage;
  }
  if (error instanceof SilentFailure) return error.status;
  const { status, text, data } = explain(error);
  if (json) printError(data);
  else process.stderr.write(`${text}\n`);
  return status;
}

function printError(error: unknown): void {
  process.stderr.write(`${JSON.stringify({ error })}\n`);
}

// `SNNET_NETNS= snnet …` and an empty line in an EnvironmentFile mean: not set.
function dropEmptyVariables(): void {
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('SNNET_') && value === '') Reflect.deleteProperty(process.env, name);
  }
}

function packageVersion(): string {
  const file = join(__dirname, '..', '..', 'package.json');
  const { version } = JSON.parse(readFileSync(file, 'utf8')) as { readonly version: string };
  return version;
}
