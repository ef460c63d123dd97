/** A VM, as far as the network is concerned: one that holds the tap, and has a card of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { patience, run } from '../../support/run';
import type { Namespace, Sandbox } from '../../support/sandbox';

// The hypervisor's part: frames from the tap to the card (a tap in the other namespace) and back.
const SOURCE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int hold(const char *name) {
  struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR);
  return fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ? -1 : fd;
}

int main(int count, char **words) {
  static char frame[65536];
  if (count != 4) return 2;
  int tap = hold(words[1]);
  if (tap < 0 || setns(open(words[2], O_RDONLY), CLONE_NEWNET) != 0) return perror(words[1]), 1;
  int card = hold(words[3]);
  if (card < 0) return perror(words[3]), 1;
  struct pollfd ends[] = { { .fd = tap, .events = POLLIN }, { .fd = card, .events = POLLIN } };
  puts("ready");
  fflush(stdout);
  while (poll(ends, 2, -1) > 0)
    for (int from = 0; from < 2; from++) {
      if (ends[from].revents == 0) continue;
      ssize_t length = read(ends[from].fd, frame, sizeof frame);
      if (length < 0) return 0;
      // A card that is down takes nothing; frames get lost on any wire.
      if (write(ends[1 - from].fd, frame, length) < 0) continue;
    }
}
`;

const CARD = 'eth0';

/** Starts a VM on a node's tap; the name of its card in its own namespace, which is up. */
export async function startVm(
  box: Sandbox,
  { host, tap, ns, mac }: { host: Namespace; tap: string; ns: Namespace; mac: string },
): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'snnet-vm-'));
  try {
    const program = join(directory, 'vm');
    const input = { input: SOURCE, timeoutMs: 30_000 * patience };
    await run(['gcc', '-O1', '-Wall', '-Werror', '-x', 'c', '-o', program, '-'], input);
    await box.start(host, [program, tap, ns.path, CARD], { ready: /^ready/m });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  await box.exec(ns, ['ip', 'link', 'set', 'dev', CARD, 'address', mac, 'up']);
  return CARD;
}
