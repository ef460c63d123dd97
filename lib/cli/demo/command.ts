import { Option } from 'commander';
import type { Command } from 'commander';
import type { TunnelMode } from '../../model';
import { CommandFailure, SilentFailure } from '../failure';
import { count, print } from '../output';
import { hideRun, isInPrivate, onSignalFromOutside, runInPrivate } from './privacy';
import { missingPackages } from './programs';
import { Report } from './report';
import { Scenes } from './scenes';
import { clearStage } from './stage';

interface DemoFlags {
  readonly json?: boolean;
  readonly mode: TunnelMode;
}

const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Interruption = keyof typeof SIGNAL_STATUS;

/** `snnet demo`: two tenants with the same addresses, on two nodes, in namespaces of its own. */
export function addDemoCommand(program: Command): void {
  const command = program
    .command('demo')
    .description('show it: two tenants with the same addresses on two nodes, in namespaces')
    .addOption(
      new Option('--mode <kind>', 'kind of tunnel')
        .choices(['gre', 'vxlan', 'geneve', 'auto'])
        .default('auto'),
    )
    .action(async () => {
      if (!isInPrivate()) {
        const status = await runInPrivate();
        // What there is to say has been said inside.
        if (status !== 0) throw new SilentFailure(status);
        return;
      }
      await show(command.optsWithGlobals<DemoFlags>());
    });
}

async function show({ json, mode }: DemoFlags): Promise<void> {
  const missing = missingPackages();
  if (missing.length > 0) {
    throw new CommandFailure(`the demo needs packages (names as in Debian): ${missing.join(' ')}`);
  }
  hideRun();
  const start = performance.now();
  const report = new Report(json === true);
  report.line('libsnnet: two tenants, the same addresses, two compute nodes');
  await play(new Scenes(report, mode));
  const seconds = (performance.now() - start) / 1000;
  const failed = report.checks.filter(({ passed }) => !passed);
  const data = { passed: failed.length === 0, seconds, checks: report.checks };
  const text = `\n${count(report.checks.length, 'check')}, ${String(failed.length)} failed, ${seconds.toFixed(1)} s`;
  print(json, { data, text });
  if (failed.length > 0) throw new CommandFailure(`${count(failed.length, 'check')} did not hold`);
}

/** Plays to the end or to the first interruption; what was made is removed either way. */
async function play(scenes: Scenes): Promise<void> {
  let interrupt: (name: Interruption) => void = () => undefined;
  const interrupted = new Promise<never>((_, reject) => {
    interrupt = (name) => {
      reject(new CommandFailure('interrupted; everything was removed', SIGNAL_STATUS[name]));
    };
  });
  const names = Object.keys(SIGNAL_STATUS) as Interruption[];
  // They stay: a second Ctrl-C must not end the cleaning.
  for (const name of names) process.on(name, interrupt);
  onSignalFromOutside((signal) => {
    interrupt(names.find((name) => name === signal) ?? 'SIGHUP');
  });
  const played = scenes.play();
  // After an interruption nobody waits for it any more.
  played.catch(() => undefined);
  try {
    await Promise.race([played, interrupted]);
  } finally {
    await scenes.stop();
    // The step at which it was stopped ends by itself, soon; then nothing makes anything any more.
    await played.catch(() => undefined);
    await clearStage();
  }
}
