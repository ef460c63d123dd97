import { once } from 'node:events';

import { Option } from 'commander';
import type { Command } from 'commander';
import { DockerPlugin } from '../docker';
import type { DockerPluginOptionsInput } from '../docker';
import { notifyService, untilTerminated } from '../service';
import { lineLogger } from './log';
import { given, parseNumber } from './options';
import { printLine } from './output';

interface DockerFlags {
  readonly json?: boolean;
  readonly name?: string;
  readonly address?: string;
  readonly specDir?: string;
  readonly dataDir?: string;
  readonly netns?: string;
  readonly timeoutMs?: number;
  readonly verbose?: boolean;
}

/** `snnet docker-plugin`: docker's driver for tenants' networks, until it is told to end. */
export function addDockerCommand(program: Command): void {
  const command = program
    .command('docker-plugin')
    .description("docker's network and IPAM driver; runs in dockerd's network namespace")
    .addOption(new Option('--name <name>', 'what docker calls it (snnet)').env('SNNET_DOCKER_NAME'))
    .addOption(
      new Option(
        '--address <url>',
        'unix:///path (in /run/docker/plugins) or tcp://127.0.0.1:port',
      ).env('SNNET_DOCKER_ADDRESS'),
    )
    .addOption(
      new Option('--spec-dir <directory>', 'where docker reads of it (/etc/docker/plugins)').env(
        'SNNET_DOCKER_SPEC_DIR',
      ),
    )
    .addOption(
      new Option('--data-dir <directory>', 'for what docker tells (/var/lib/libsnnet/docker)').env(
        'SNNET_DOCKER_DATA_DIR',
      ),
    )
    .addOption(new Option('--netns <name>', 'namespace of dockerd, if not this').env('SNNET_NETNS'))
    .addOption(
      new Option('--timeout-ms <ms>', 'until docker is answered, whatever happens (5000)')
        .argParser(parseNumber)
        .env('SNNET_TIMEOUT_MS'),
    )
    .option('--verbose', 'a line for every request');
  command.action(() => serve(command.optsWithGlobals(), untilTerminated()));
}

async function serve(flags: DockerFlags, signal: AbortSignal): Promise<void> {
  await using plugin = new DockerPlugin(toPluginOptions(flags));
  await plugin.start();
  const { address, networks, endpoints } = plugin.state;
  const known = `${String(networks)} networks and ${String(endpoints)} endpoints known`;
  printLine(flags.json, {
    data: { name: plugin.name, address, networks, endpoints },
    text: `docker finds ${plugin.name} at ${address ?? '?'}; ${known}`,
  });
  await notifyService('READY=1', `STATUS=${known}`);
  if (!signal.aborted) await once(signal, 'abort');
  await notifyService('STOPPING=1');
}

function toPluginOptions(flags: DockerFlags): DockerPluginOptionsInput {
  const { name, address, netns, timeoutMs } = flags;
  return {
    ...given({ name, address, netns, timeoutMs }),
    ...given({ specDir: flags.specDir, dataDir: flags.dataDir }),
    logger: lineLogger(flags.json, flags.verbose === true),
  };
}
