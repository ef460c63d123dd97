import { appendFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { OutboxEvent, TenantEventOutbox } from '../agent';
import { CNI_SOCKET, CniServer, executeCni } from '../cni';
import type { Logger } from '../model';
import { notifyService, keepHeapSmall, untilTerminated } from '../service';
import { addAuditCommand, addAuditServiceOptions, serveAudit } from './audit-command';
import type { AuditServiceFlags } from './audit-command';
import { CommandFailure } from './failure';
import { addHostOptions, nameOfThisHost, toNodeOptions } from './options';
import type { HostFlags } from './options';
import { addOutboxOptions, openOutbox } from './outbox-options';
import type { OutboxFlags } from './outbox-options';
import { print, printLine } from './output';

interface CniFlags extends HostFlags {
  readonly events?: string;
}

interface ServeFlags extends CniFlags, AuditServiceFlags, OutboxFlags {
  readonly socket: string;
}

const ROOT = join(__dirname, '..', '..');
const FRONT = 'snnet-cni';

/** `snnet cni …`: tenants' networks for container runtimes. */
export function addCniCommands(program: Command): void {
  const group = program.command('cni').description('serve container runtimes (CNI)');
  addServe(group);
  addExec(group);
  addPath(group);
  addAuditCommand(group);
}

function addServe(group: Command): void {
  const serve = withEvents(
    group.command('serve').description('the daemon behind snnet-cni, until terminated'),
  ).addOption(
    new Option('--socket <path>', 'where snnet-cni finds it; the directory is ours alone')
      .default(CNI_SOCKET)
      .env('SNNET_CNI_SOCKET'),
  );
  const command = addOutboxOptions(addAuditServiceOptions(serve));
  command.action(async () => {
    const flags = command.optsWithGlobals<ServeFlags>();
    const tidy = keepHeapSmall();
    tidy();
    const terminated = untilTerminated();
    await using outbox = new Closing(await openOutbox(flags, LOGGER));
    const deliver = delivery(flags, outbox.value);
    const server = await CniServer.open({
      node: toNodeOptions(flags, nameOfThisHost()),
      socketPath: flags.socket,
      onTunnelEvent: deliver,
      logger: LOGGER,
    });
    try {
      await server.rehearse();
      await notifyService('READY=1', `STATUS=serving ${server.socketPath}`);
      process.stderr.write(`serving ${server.socketPath}\n`);
      const { node } = server;
      void outbox.value?.follow(node, { signal: terminated });
      const auditing = serveAudit(flags, {
        ...{ node, deliver, logger: LOGGER, signal: terminated },
        onReport: tidy,
      });
      await new Promise((resolve) => {
        terminated.addEventListener('abort', resolve, { once: true });
        if (terminated.aborted) resolve(undefined);
      });
      await notifyService('STOPPING=1');
      await auditing;
    } finally {
      await server.close();
    }
  });
}

function addExec(group: Command): void {
  const command = withEvents(
    group.command('exec').description('serve one request of snnet-cni, without a daemon'),
  );
  command.action(async () => {
    const flags = command.optsWithGlobals<CniFlags>();
    const { id, ...node } = toNodeOptions(flags, nameOfThisHost());
    await executeCni({
      input: process.stdin,
      // Standard output is the front's.
      output: process.stdout,
      node: { id, ...node },
      onTunnelEvent: eventSink(flags, (event) => {
        process.stderr.write(`${JSON.stringify(event)}\n`);
      }),
      logger: LOGGER,
    });
  });
}

function addPath(group: Command): void {
  const command = group
    .command('path')
    .description('where the program is that belongs into /opt/cni/bin')
    .action(() => {
      const places = [
        join(ROOT, 'prebuilds', `${process.platform}-${process.arch}`, FRONT),
        join(ROOT, 'build', 'Release', FRONT),
      ];
      const path = places.find((place) => existsSync(place));
      if (path === undefined)
        throw new CommandFailure(`there is no ${FRONT}: npm rebuild libsnnet`);
      const { json } = command.optsWithGlobals<{ readonly json?: boolean }>();
      print(json, { data: { path }, text: path });
    });
}

function withEvents(command: Command): Command {
  return addHostOptions(command).addOption(
    new Option('--events <file>', 'append what concentrators must be told, one JSON line each').env(
      'SNNET_EVENTS',
    ),
  );
}

/** Where the tunnel events of the daemon go: an outbox, a file, or standard output. */
function delivery(
  flags: CniFlags,
  outbox: TenantEventOutbox | undefined,
): (event: OutboxEvent) => Promise<void> | void {
  const print = (line: object): void => printLine(true, { data: line, text: '' });
  const note = eventSink(flags, outbox === undefined ? print : () => undefined);
  return async (event) => {
    note(event);
    await outbox?.post(event);
  };
}

/** Closed with the block that it is used in, if it is there at all. */
class Closing implements AsyncDisposable {
  readonly value: TenantEventOutbox | undefined;

  constructor(value: TenantEventOutbox | undefined) {
    this.value = value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.value?.close();
  }
}

function eventSink(
  { events }: CniFlags,
  otherwise: (event: object) => void,
): (event: object) => void {
  if (events === undefined) return otherwise;
  return (event) => {
    appendFileSync(events, `${JSON.stringify(event)}\n`, { mode: 0o600 });
  };
}

/** For the service manager's journal. */
const LOGGER: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => log('warning', message, fields),
  error: (message, fields) => log('error', message, fields),
};

function log(
  level: string,
  message: string,
  fields: Readonly<Record<string, unknown>> | undefined,
): void {
  const { error, ...rest } = fields ?? {};
  const cause = error instanceof Error ? `: ${error.message}` : '';
  const more = Object.keys(rest).length === 0 ? '' : ` ${JSON.stringify(rest)}`;
  process.stderr.write(`${level}: ${message}${cause}${more}\n`);
}
