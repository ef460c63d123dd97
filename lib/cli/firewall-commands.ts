import { Argument, Option } from 'commander';
import type { Command } from 'commander';
import { Firewall } from '../firewall';
import type { FirewallDryRun, FirewallReport } from '../firewall';
import type { FirewallAction, ForwardingInput, PortMappingInput, PublicIpInput } from '../model';
import { CommandFailure } from './failure';
import { interruptible } from './interrupt';
import { given, parseNumber } from './options';
import { count, findingLines, print } from './output';

interface Flags {
  readonly json?: boolean;
  readonly dryRun?: boolean;
  readonly check?: boolean;
  readonly netns?: string;
  readonly timeoutMs?: number;
  readonly externalDevices?: readonly string[];
  readonly internalDevices?: readonly string[];
  readonly guardInput?: boolean;
}
type ChangeFlags = Flags & ForwardingInput & PortMappingInput & PublicIpInput;

/** What a command gets to work with. */
interface Work<F extends Flags> {
  readonly firewall: Firewall;
  readonly flags: F;
  readonly action: FirewallAction;
  readonly signal: AbortSignal;
}

const DRY_RUN = 'print what would be done, and do nothing';

/** `snnet firewall …`: what gets through between tenants and the outside. */
export function addFirewallCommands(program: Command): void {
  const group = program
    .command('firewall')
    .description('what gets through between tenants and the outside');
  defineOpen(group);
  const forward = defineChange(
    group,
    'forward',
    'let a bridge of a tenant reach the outside',
    forwardBody,
  );
  external(forward).requiredOption(
    '--internal-device <name>',
    "the tenant's bridge, or another link",
  );
  const publish = defineChange(
    group,
    'publish',
    'let a port of the outside lead to a workload',
    publishBody,
  );
  external(publish)
    .addOption(new Option('--protocol <name>', 'protocol').choices(['tcp', 'udp']).default('tcp'))
    .requiredOption('--external-port <port>', 'port outside', parseNumber)
    .requiredOption('--internal-ip <address>', "the workload's address")
    .requiredOption('--internal-port <port>', "the workload's port", parseNumber);
  const publicIp = defineChange(
    group,
    'public-ip',
    'give a workload an address of the outside',
    publicBody,
  );
  external(publicIp)
    .requiredOption('--internal-ip <address>', "the workload's address")
    .requiredOption('--public-ip <address>', 'the address of the outside');
  defineSwitch(group, 'routing', 'let the machine forward IPv4', (firewall, action, signal) =>
    firewall.routing(action, { signal }),
  );
  defineSwitch(group, 'pass-bridges', "a passage through docker's chain of iptables", passBody);
  define(group, ['state', 'what the kernel holds'], showState);
  define(group, ['dump', 'likewise, one line for each thing'], showDump);
  define(group, ['audit', 'what on this machine stands in its way'], showAudit).option(
    '--check',
    'status 1 if anything does',
  );
  define(group, ['shutdown', 'remove everything of the firewall'], shutdown, false).option(
    '--dry-run',
    DRY_RUN,
  );
}

function common(command: Command): Command {
  return command
    .addOption(
      new Option('--netns <name>', 'network namespace: a path, or a name under /run/netns').env(
        'SNNET_NETNS',
      ),
    )
    .addOption(
      new Option('--timeout-ms <ms>', 'until a call fails')
        .argParser(parseNumber)
        .env('SNNET_TIMEOUT_MS'),
    );
}

function external(command: Command): Command {
  return command.requiredOption('--external-device <name>', 'the link that leads outside');
}

function openFor(flags: Flags, readOnly: boolean): Promise<Firewall> {
  const { netns, timeoutMs, externalDevices, internalDevices, guardInput } = flags;
  return Firewall.open({
    ...given({ netns, timeoutMs, externalDevices, internalDevices, guardInput }),
    readOnly,
  });
}

function define<F extends Flags>(
  group: Command,
  [name, description]: readonly [string, string],
  body: (work: Work<F>) => Promise<void>,
  readOnly = true,
): Command {
  const command = common(group.command(name).description(description));
  return command.action((...words: unknown[]) =>
    interruptible(async (signal) => {
      const flags = command.optsWithGlobals<F>();
      const action = words[0] === 'disable' ? 'disable' : 'enable';
      await using firewall = await openFor(flags, readOnly || flags.dryRun === true);
      await body({ firewall, flags, action, signal });
    }),
  );
}

function defineChange(
  group: Command,
  name: string,
  description: string,
  body: (work: Work<ChangeFlags>) => Promise<void>,
): Command {
  return define<ChangeFlags>(group, [name, description], body, false)
    .addArgument(new Argument('<action>', 'what to do').choices(['enable', 'disable']))
    .option('--dry-run', DRY_RUN);
}

function defineSwitch(
  group: Command,
  name: string,
  description: string,
  run: (firewall: Firewall, action: FirewallAction, signal: AbortSignal) => Promise<FirewallReport>,
): void {
  const body = async ({ firewall, flags, action, signal }: Work<Flags>): Promise<void> => {
    reportChange(flags, await run(firewall, action, signal));
  };
  define<Flags>(group, [name, description], body, false).addArgument(
    new Argument('<action>', 'what to do').choices(['enable', 'disable']),
  );
}

function defineOpen(group: Command): void {
  define(group, ['open', 'close the way, masquerade, and let the machine forward'], open, false)
    .addOption(
      new Option('--external-devices <names>', 'links that lead outside; again, or with commas')
        .argParser(parseNames)
        .env('SNNET_EXTERNAL_DEVICES'),
    )
    .option('--internal-devices <names>', "tenants' links that are no bridges of ours", parseNames)
    .option('--no-guard-input', "let the outside reach other devices' addresses of this machine")
    .option('--dry-run', DRY_RUN);
}

function parseNames(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...value.split(',').map((name) => name.trim())];
}

async function open({ firewall, flags, signal }: Work<Flags>): Promise<void> {
  if (flags.dryRun === true) {
    printPlan(flags, firewall.planOfOpening());
    return;
  }
  const state = await firewall.state({ signal });
  print(flags.json, { data: state, text: await firewall.dump({ signal }) });
}

async function forwardBody({ firewall, flags, action, signal }: Work<ChangeFlags>): Promise<void> {
  const { externalDevice, internalDevice } = flags;
  const pair = { externalDevice, internalDevice };
  if (flags.dryRun === true)
    printPlan(flags, await firewall.plan('extFwding', action, pair, { signal }));
  else reportChange(flags, await firewall.extFwding(action, pair, { signal }));
}

async function publishBody({ firewall, flags, action, signal }: Work<ChangeFlags>): Promise<void> {
  const { protocol, externalDevice, externalPort, internalIp, internalPort } = flags;
  const mapping = { protocol, externalDevice, externalPort, internalIp, internalPort };
  if (flags.dryRun === true)
    printPlan(flags, await firewall.plan('extPortAccess', action, mapping, { signal }));
  else reportChange(flags, await firewall.extPortAccess(action, mapping, { signal }));
}

async function publicBody({ firewall, flags, action, signal }: Work<ChangeFlags>): Promise<void> {
  const { internalIp, publicIp, externalDevice } = flags;
  const address = { internalIp, publicIp, externalDevice };
  if (flags.dryRun === true)
    printPlan(flags, await firewall.plan('publicIpAccess', action, address, { signal }));
  else reportChange(flags, await firewall.publicIpAccess(action, address, { signal }));
}

function passBody(
  firewall: Firewall,
  action: FirewallAction,
  signal: AbortSignal,
): Promise<FirewallReport> {
  return firewall.passBridges(action, { signal });
}

async function showState({ firewall, flags, signal }: Work<Flags>): Promise<void> {
  const state = await firewall.state({ signal });
  print(flags.json, { data: state, text: JSON.stringify(state, null, 2) });
}

async function showDump({ firewall, flags, signal }: Work<Flags>): Promise<void> {
  const text = await firewall.dump({ signal });
  print(flags.json, { data: { lines: text.split('\n') }, text });
}

async function showAudit({ firewall, flags, signal }: Work<Flags>): Promise<void> {
  const findings = await firewall.audit({ signal });
  print(flags.json, { data: { findings }, text: findingLines(findings).join('\n') });
  if (flags.check === true && findings.length > 0) {
    throw new CommandFailure(count(findings.length, 'finding'));
  }
}

async function shutdown({ firewall, flags, signal }: Work<Flags>): Promise<void> {
  if (flags.dryRun === true) {
    printPlan(flags, await firewall.planOfShutdown({ signal }));
    return;
  }
  const result = await firewall.shutdown({ signal });
  const text = `removed; the machine ${result.forwarding ? 'still forwards' : 'forwards no longer'}`;
  print(flags.json, { data: result, text });
}

function reportChange({ json }: Flags, report: FirewallReport): void {
  const { changed, unchanged, flowsEnded } = report;
  const words = [`changed ${String(changed)}`, `so already ${String(unchanged)}`];
  if (flowsEnded > 0) words.push(`ended ${count(flowsEnded, 'flow')}`);
  print(json, { data: report, text: words.join(', ') });
}

function printPlan({ json }: Flags, { plan, text }: FirewallDryRun): void {
  print(json, { data: plan, text: text === '' ? 'nothing to do' : text });
}
