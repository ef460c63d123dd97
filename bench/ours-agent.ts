/**
 * Our own child with a concentrator's agent: we are the scheduler, the agent is a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { CNCI_ID, tearDown, TENANT, tenantYaml } from '../test/kernel/helpers/agent-stand';
import { AgentProcess, ssntpWords } from '../test/system/helpers/agent-process';
import { Scheduler } from '../test/system/helpers/scheduler';
import { microsecondsSince, type Answer, type Command } from './protocol';

const POLL_MS = 25;
/** After so long the agent has tidied up. */
const QUIET_MS = 3000;

interface Stage {
  readonly scheduler: Scheduler;
  readonly start: () => Promise<AgentProcess>;
}

async function onStage(body: (stage: Stage) => Promise<Answer>): Promise<Answer> {
  const directory = mkdtempSync(join(tmpdir(), 'snnet-bench-'));
  chmodSync(directory, 0o711);
  const scheduler = await Scheduler.start();
  const words = ssntpWords(directory, scheduler);
  try {
    const start = (): Promise<AgentProcess> =>
      AgentProcess.start({ id: CNCI_ID, directory, words });
    return await body({ scheduler, start });
  } finally {
    await scheduler[Symbol.asyncDispose]();
    await tearDown({
      id: CNCI_ID,
      tenantId: TENANT,
      mode: 'vxlan',
      computeNets: ['198.51.100.0/24'],
      allowVethUplink: true,
      dhcp: { stateDir: join(directory, 'dhcp') },
    });
    rmSync(directory, { recursive: true, force: true });
  }
}

/** How many subnets the agent has done. */
function done({ monitor: socketPath }: AgentProcess): Promise<number> {
  const finished = /seconds_count\{kind="tenant-added",outcome="done"\} (\d+)/;
  return new Promise((resolve, reject) => {
    get({ socketPath, path: '/metrics' }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(Number(finished.exec(text)?.[1] ?? 0)));
    }).on('error', reject);
  });
}

async function addAll({ scheduler }: Stage, agent: AgentProcess, n: number): Promise<number> {
  await scheduler.connected(CNCI_ID);
  const start = process.hrtime.bigint();
  for (let i = 0; i < n; i++) {
    const payload = tenantYaml('tenant-added', { tenantSubnet: `172.16.${i}.0/24` });
    await scheduler.sendText(CNCI_ID, 'tenant-added', payload);
  }
  while ((await done(agent)) < n) await sleep(POLL_MS);
  return microsecondsSince(start);
}

/** Subnets that have a bridge, and a server that runs. */
function served(): number {
  const links = execFileSync('ip', ['-o', 'link', 'show', 'type', 'bridge'], { encoding: 'utf8' });
  const bridges = links.split('\n').filter((line) => line.includes('sbr_')).length;
  const namespace = execFileSync('ip', ['netns', 'identify', String(process.pid)], {
    encoding: 'utf8',
  }).trim();
  const pids = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  const programs = pids
    .trim()
    .split('\n')
    .map((pid) => {
      try {
        return execFileSync('cat', [`/proc/${pid}/comm`], { encoding: 'utf8' }).trim();
      } catch {
        return '';
      }
    });
  return Math.min(bridges, programs.filter((name) => name === 'dnsmasq').length);
}

const added = (n: number): Promise<Answer> =>
  onStage(async (stage) => {
    await using agent = await stage.start();
    const us = [await addAll(stage, agent, n)];
    return { us, count: served() };
  });

const restarted = (n: number, times: number): Promise<Answer> =>
  onStage(async (stage) => {
    let agent = await stage.start();
    await addAll(stage, agent, n);
    const us: number[] = [];
    for (let i = 0; i < times; i++) {
      await agent.kill();
      const start = process.hrtime.bigint();
      agent = await stage.start();
      us.push(microsecondsSince(start));
    }
    await agent.tool.stop();
    return { us, count: served() };
  });

const resident = (n: number): Promise<Answer> =>
  onStage(async (stage) => {
    const first = await stage.start();
    await addAll(stage, first, n);
    await sleep(QUIET_MS);
    const before = first.residentMib;
    await first.kill();
    await using second = await stage.start();
    await stage.scheduler.connected(CNCI_ID);
    await sleep(QUIET_MS);
    return { us: [], count: served(), value: Math.max(before, second.residentMib) };
  });

/** Nothing where the command is for somebody else. */
export async function executeWithAgent({ cmd, n, subnets }: Command): Promise<Answer | undefined> {
  switch (cmd) {
    case 'agent-added':
      return added(subnets);
    case 'agent-restart':
      return restarted(subnets, n);
    case 'agent-rss':
      return resident(subnets);
    default:
      return undefined;
  }
}
