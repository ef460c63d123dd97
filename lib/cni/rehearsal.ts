import { connect } from 'node:net';

import { encodeFrontFrame, FrameReader } from './frame';
import type { CniRequest } from './frame';

/** Enough for V8 to compile what it would otherwise interpret. */
const ROUNDS = 120;

/** An ADD that all goes well with, until the kernel is shown a file that is no namespace. */
const DOOMED: CniRequest = {
  environment: {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'rehearsal',
    CNI_NETNS: '/dev/null',
    CNI_IFNAME: 'eth0',
    CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAME=rehearsal',
    CNI_PATH: '/nowhere',
  },
  config: JSON.stringify({
    cniVersion: '1.0.0',
    name: 'rehearsal',
    type: 'snnet-cni',
    tenantId: 'rehearsal',
    subnetId: 'rehearsal',
    concId: 'rehearsal',
    concIp: '192.0.2.1',
    subnet: '192.0.2.0/24',
    subnetKey: 16_777_215,
    runtimeConfig: { ips: ['192.0.2.2/24'] },
  }),
};

/** Asks a daemon for what cannot be, again and again: its code is compiled when somebody needs it. */
export async function rehearse(socketPath: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) await ask(socketPath, DOOMED);
}

/** Whatever comes of it. */
function ask(socketPath: string, request: CniRequest): Promise<void> {
  return new Promise((resolve) => {
    const reader = new FrameReader();
    const socket = connect(socketPath);
    socket.on('data', (bytes: Buffer) => {
      if (reader.read(bytes).length > 0) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
    socket.write(encodeFrontFrame({ kind: 'request', request }));
  });
}
