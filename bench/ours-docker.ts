/**
 * Our own child with docker: a VNIC comes, a container runs on it, both go.
 */
import type { ComputeNode } from '#lib/index';

import { placed } from '../test/support/dockerd';
import { measureRuns, runContainer } from './docker';
import { describeVnic, type Answer } from './protocol';

/** The launcher's part is measured too: docker's own bridge driver makes its interfaces itself. */
export async function runOnVnics(node: ComputeNode, n: number): Promise<Answer> {
  const config = (port: number): Parameters<ComputeNode['createVnic']>[0] => ({
    ...describeVnic(1, port),
    role: 'container',
  });
  try {
    return await measureRuns(n, {}, async (dockerd) => {
      // One stays: the network is not made for each container, nor is docker's bridge.
      const { container } = await node.createVnic(config(200));
      if (container === undefined) throw new Error('a VNIC without a container network');
      await dockerd.createNetwork(container);
      return async (i) => {
        const { vnic } = await node.createVnic(config(i));
        const { vnicMac: mac } = config(i);
        const place = placed({ name: `c${i}`, network: container.subnetId, ip: vnic.ip, mac });
        await runContainer(dockerd, place);
        await node.destroyVnic(config(i));
      };
    });
  } finally {
    await node.resetNetwork();
    await node.settle();
  }
}
