/**
 * Debian's own plugins: `bridge`, which starts `host-local` for the address. A gateway on the bridge, as
 * most configurations have it; no masquerading, which would double the time.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { measureCni, type CniContestant } from '../../cni';
import { serve, type Answer, type Command } from '../../protocol';

const PLUGINS = '/usr/lib/cni';

async function execute(command: Command): Promise<Answer> {
  const dataDir = mkdtempSync(join(tmpdir(), 'snnet-bench-'));
  const config = {
    cniVersion: '1.0.0',
    name: 'bench',
    type: 'bridge',
    bridge: 'brbench',
    isGateway: true,
    ipam: {
      type: 'host-local',
      dataDir,
      ranges: [[{ subnet: '10.91.0.0/16' }]],
      routes: [{ dst: '0.0.0.0/0' }],
    },
  };
  const contestant: CniContestant = {
    file: join(PLUGINS, 'bridge'),
    path: PLUGINS,
    config: () => config,
  };
  const cmd = command.cmd.replace(/-ipam$/, '') as Command['cmd'];
  try {
    const answer = await measureCni(contestant, { ...command, cmd });
    if (answer === undefined) throw new Error(`unknown command ${command.cmd}`);
    return answer;
  } finally {
    rmSync(dataDir, { recursive: true });
  }
}

void serve(execute);
