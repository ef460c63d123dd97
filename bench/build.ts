/**
 * Builds the peers that are not written in TypeScript, and says which of them this machine can run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import type { PeerName } from './protocol';

const ROOT = resolve(__dirname, '../..');
const PEERS = join(ROOT, 'bench/peers');
const OUT = join(ROOT, 'build/bench');
const CNI_PLUGINS = '/usr/lib/cni/bridge';
const GO_LIBRARIES = '/usr/share/gocode';

/** How to start a peer, or why it cannot be started here. */
export type PeerBuild = { readonly argv: readonly string[] } | { readonly absent: string };

function sources(folder: string, suffix: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(suffix));
  return names.map((name) => join(folder, name));
}

/** The last line of what a failed program said. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split('\n').slice(-1)[0] ?? text;
}

function tryBuild(argv: readonly string[], build: () => void): PeerBuild {
  try {
    build();
    return { argv };
  } catch (error) {
    return { absent: reasonOf(error) };
  }
}

function buildFloor(): PeerBuild {
  const program = join(OUT, 'floor');
  return tryBuild([program], () => {
    const files = sources(join(PEERS, 'floor'), '.c');
    execFileSync('cc', ['-O2', '-Wall', '-pthread', '-o', program, ...files], { stdio: 'pipe' });
  });
}

function buildGo(): PeerBuild {
  const program = join(OUT, 'go');
  const library = join(GO_LIBRARIES, 'src/github.com/vishvananda/netlink');
  if (!existsSync(library))
    return { absent: 'golang-github-vishvananda-netlink-dev is not installed' };
  return tryBuild([program], () => {
    const env = {
      ...process.env,
      GOPATH: GO_LIBRARIES,
      GO111MODULE: 'off',
      GOFLAGS: '',
      GOCACHE: join(OUT, 'go-cache'),
    };
    const files = sources(join(PEERS, 'go'), '.go');
    execFileSync('go', ['build', '-o', program, ...files], { env, stdio: 'pipe' });
  });
}

function findProgram(name: string, ...args: string[]): string | undefined {
  const { error } = spawnSync(name, args, { stdio: 'ignore' });
  return error ? `${name} is not installed` : undefined;
}

/** Our own child, and the peers. */
export function buildPeers(): Record<PeerName, PeerBuild> {
  mkdirSync(OUT, { recursive: true });
  const go = buildGo();
  const noIptables = findProgram('iptables', '--version');
  const noIp = findProgram('ip', '-V');
  const noNft = findProgram('nft', '--version');
  const noIptablesNft = findProgram('iptables-nft', '--version');
  const withIptables: PeerBuild =
    'absent' in go ? go : noIptables ? { absent: noIptables } : { argv: [...go.argv, '-iptables'] };
  const noDocker = ['dockerd', 'docker', 'containerd', 'runc', 'busybox'].find(
    (name) => findProgram(name, '--version') !== undefined,
  );
  const node = (script: string): PeerBuild => ({
    argv: [process.execPath, '--expose-gc', join(__dirname, script)],
  });
  const library = join(ROOT, 'dist/index.js');
  return {
    ours: existsSync(library) ? node('ours.js') : { absent: 'the library is not built' },
    floor: buildFloor(),
    go,
    'go-iptables': withIptables,
    'ip-batch': noIp ? { absent: noIp } : node('peers/ip-batch/peer.js'),
    'nft-f': noNft ? { absent: noNft } : node('peers/nft-f/peer.js'),
    'docker-bridge': noDocker
      ? { absent: `${noDocker} is not installed` }
      : node('peers/docker-bridge/peer.js'),
    iptables: noIptablesNft ? { absent: noIptablesNft } : node('peers/iptables/peer.js'),
    'cni-bridge': existsSync(CNI_PLUGINS)
      ? node('peers/cni-bridge/peer.js')
      : { absent: 'containernetworking-plugins is not installed' },
  };
}
