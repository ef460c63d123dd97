import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeBed } from './runtime-bed';

/** The image of what holds a pod's namespaces. */
export const PAUSE = 'localhost/pause:1';

/** Starts a containerd whose networks and plugins are the bed's; gives the path of its socket. */
export async function startContainerd(bed: RuntimeBed): Promise<string> {
  const config = join(bed.directory, 'config.toml');
  const socketPath = join(bed.directory, 'containerd.sock');
  writeFileSync(
    config,
    `version = 2
root = "${join(bed.directory, 'root')}"
state = "/run/containerd-state"
[grpc]
address = "${socketPath}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${bed.plugins}"
conf_dir = "${bed.networks}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
`,
  );
  await bed.start(['containerd', '-c', config], /containerd successfully booted/);
  return socketPath;
}
