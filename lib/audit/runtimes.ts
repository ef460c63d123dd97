import { createHash } from 'node:crypto';

import { listSandboxes } from './cri';
import type { Liveness } from './types';
import { getJson } from './unix-http';

/** As in the names of VNICs: longer ids are shortened there. */
const LONGEST_ID = 64;
const DIGITS = 32;

/**
 * Alive is what docker lists and calls neither `exited` nor `dead` (Docker Engine API, `GET
 * /containers/json`).
 */
export function dockerWorkloads(socketPath = '/run/docker.sock'): Liveness {
  return byContainer(async (signal) =>
    livingContainers(await getJson(socketPath, '/containers/json?all=true', signal)),
  );
}

/**
 * Alive is what podman lists and calls neither `exited` nor `stopped` nor `dead` (libpod API, `podman
 * system service`); the container that holds a pod's network is listed too.
 */
export function podmanWorkloads(socketPath = '/run/podman/podman.sock'): Liveness {
  return byContainer(async (signal) =>
    livingContainers(await getJson(socketPath, '/v4.0.0/libpod/containers/json?all=true', signal)),
  );
}

/**
 * Alive is a pod that a runtime for Kubernetes lists as ready (CRI v1, `ListPodSandbox`): containerd,
 * CRI-O.
 */
export function criWorkloads(socketPath = '/run/containerd/containerd.sock'): Liveness {
  return byContainer(async (signal) => {
    const sandboxes = await listSandboxes(socketPath, signal);
    return sandboxes.filter(({ isReady }) => isReady).map(({ id }) => id);
  });
}

/** A VNIC has a workload if the runtime knows the container that it was made for. */
function byContainer(list: (signal: AbortSignal) => Promise<readonly string[]>): Liveness {
  return async (vnics, signal) => {
    // With nobody to ask about, a runtime that does not run is no failure.
    if (vnics.length === 0) return [];
    const ids = new Set((await list(signal)).map(shortened));
    return vnics.filter(({ container }) => ids.has(container));
  };
}

const GONE: readonly unknown[] = ['exited', 'stopped', 'dead'];

/** Pure: the ids in a list of containers. One that has no id makes the list worthless. */
export function livingContainers(list: unknown): string[] {
  if (!Array.isArray(list)) throw new Error('the list of containers is not a list');
  return (list as readonly unknown[]).flatMap((container) => {
    const { Id: id, State: state } = (container ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof id !== 'string' || id === '') throw new Error('a container in the list has no id');
    return GONE.includes(state) ? [] : [id];
  });
}

function shortened(id: string): string {
  if (id.length <= LONGEST_ID) return id;
  return createHash('sha256').update(id).digest('hex').slice(0, DIGITS);
}
