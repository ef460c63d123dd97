/**
 * Docker's own network, as everybody gets it who asks for nothing: the bridge docker0 and its rules.
 */
import { measureRuns, runContainer } from '../../docker';
import { serve } from '../../protocol';

void serve(async ({ cmd, n }) => {
  if (cmd !== 'docker-run') throw new Error(`unknown command ${cmd}`);
  return measureRuns(n, { plugin: false, daemon: [] }, async (dockerd) => {
    return (i) => runContainer(dockerd, ['--name', `c${i}`]);
  });
});
