/**
 * Docker's own driver for networks on one host: a bridge of its own, addresses of its own, its rules. A
 * network that was made, as ours is: docker's default one has no name server, whose start takes a third
 * of what a network costs.
 */
import { measureRuns, runContainer } from '../../docker';
import { serve } from '../../protocol';

const NETWORK = 'own';

void serve(async ({ cmd, n }) => {
  if (cmd !== 'docker-run') throw new Error(`unknown command ${cmd}`);
  return measureRuns(n, { plugin: false, daemon: [] }, async (dockerd) => {
    const subnet = '10.0.1.0/24';
    await dockerd.docker('network', 'create', '-d', 'bridge', '--subnet', subnet, NETWORK);
    return (i) => {
      const place = ['--net', NETWORK, '--ip', `10.0.1.${i + 2}`];
      return runContainer(dockerd, ['--name', `c${i}`, ...place]);
    };
  });
});
