import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { addAgentCommand } from './agent-command';
import { agentWords } from './agent-words';
import { addCnciCommands } from './cnci-commands';
import { addCniCommands } from './cni-commands';
import { addDemoCommand } from './demo';
import { addDockerCommand } from './docker-command';
import { addDoctorCommand } from './doctor-command';
import { EXIT, explain, SilentFailure } from './failure';
import { addFirewallCommands } from './firewall-commands';
import { addNodeCommands } from './node-commands';
import { addTopologyCommand } from './topology-command';

const AFTERWORD = `
Options can come from the environment: SNNET_ID, SNNET_MODE, SNNET_COMPUTE_NET, SNNET_NETNS, …
(see the help of each command). The kernel is asked each time; nothing else is remembered.

Status: 0 done, 1 failed and nothing left behind, 2 usage or bad input, 3 to be repaired by hand.`;

/** Runs one command line; resolves with the status for the shell and never rejects. */
export async function runCli(words: readonly string[]): Promise<number> {
  dropEmptyVariables();
  const json = words.includes('--json');
  try {
    await buildProgram(json).parseAsync(agentWords(words), { from: 'user' });
    return EXIT.done;
  } catch (error) {
    return report(error, json);
  }
}

/** All commands. Commander's own complaints go to stderr as text, or are left to {@link runCli}. */
function buildProgram(json: boolean): Command {
  const program = new Command('snnet')
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
  addNodeCommands(program);
  addCnciCommands(program);
  addFirewallCommands(program);
  addCniCommands(program);
  addTopologyCommand(program);
  addDoctorCommand(program);
  addDockerCommand(program);
  addAgentCommand(program);
  addDemoCommand(program);
  return program;
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
