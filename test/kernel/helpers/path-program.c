// What the ends of a path run, in one small program: a guest kernel takes seconds to start node.
//   vm TAP NAMESPACE CARD      a hypervisor: carries frames between the tap and a card in the
//   namespace serve tcp|udp PORT         answers whoever asks with his address ask tcp|udp ADDRESS
//   PORT MILLISECONDS    prints that answer, `silence` or `error <name>` speak PORT says something
//   every 20 ms to who connects, and prints that it did listen ADDRESS PORT        connects, and
//   prints what it hears
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

static int fail(const char* what) {
  perror(what);
  return 1;
}

static int hold(const char* name) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int fd = open("/dev/net/tun", O_RDWR);
  return fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 ? -1 : fd;
}

static int vm(char** words) {
  static char frame[65536];
  int tap = hold(words[0]);
  if (tap < 0 || setns(open(words[1], O_RDONLY), CLONE_NEWNET) != 0) return fail(words[0]);
  int card = hold(words[2]);
  if (card < 0) return fail(words[2]);
  struct pollfd ends[] = {{.fd = tap, .events = POLLIN}, {.fd = card, .events = POLLIN}};
  puts("ready");
  while (poll(ends, 2, -1) > 0) {
    for (int from = 0; from < 2; from++) {
      if (ends[from].revents == 0) continue;
      ssize_t length = read(ends[from].fd, frame, sizeof frame);
      if (length < 0) return 0;
      // A card that is down takes nothing; frames get lost on any wire.
      if (write(ends[1 - from].fd, frame, length) < 0) continue;
    }
  }
  return 0;
}

static struct sockaddr_in place(const char* address, const char* port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  inet_pton(AF_INET, address, &at.sin_addr);
  return at;
}

static int typeOf(const char* protocol) {
  return strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM;
}

static int openServer(int type, const char* port) {
  int fd = socket(AF_INET, type, 0), yes = 1;
  struct sockaddr_in at = place("0.0.0.0", port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, (struct sockaddr*)&at, sizeof at) != 0) return -1;
  if (type == SOCK_STREAM && listen(fd, 16) != 0) return -1;
  puts("ready");
  return fd;
}

static int serve(char** words) {
  int type = typeOf(words[0]), fd = openServer(type, words[1]);
  if (fd < 0) return fail(words[1]);
  for (;;) {
    struct sockaddr_in who;
    socklen_t size = sizeof who;
    char heard[64], answer[INET_ADDRSTRLEN];
    int to = fd;
    if (type == SOCK_STREAM) to = accept(fd, (struct sockaddr*)&who, &size);
    if (recvfrom(to, heard, sizeof heard, 0, type == SOCK_STREAM ? NULL : (struct sockaddr*)&who,
                 &size) > 0) {
      inet_ntop(AF_INET, &who.sin_addr, answer, sizeof answer);
      const struct sockaddr* back = type == SOCK_STREAM ? NULL : (struct sockaddr*)&who;
      sendto(to, answer, strlen(answer), 0, back, back == NULL ? 0 : size);
    }
    if (to != fd) close(to);
  }
}

static int ask(char** words) {
  int fd = socket(AF_INET, typeOf(words[0]), 0), wait = atoi(words[3]);
  struct sockaddr_in at = place(words[1], words[2]);
  struct timeval limit = {.tv_sec = wait / 1000, .tv_usec = wait % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  // It is the limit of connect() too, which then fails with EINPROGRESS (socket(7)).
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  char answer[64] = "";
  if (connect(fd, (struct sockaddr*)&at, sizeof at) == 0 && send(fd, "hello\n", 6, 0) == 6 &&
      recv(fd, answer, sizeof answer - 1, 0) > 0) {
    puts(answer);
  } else if (errno == EINPROGRESS || errno == EAGAIN) {
    puts("silence");
  } else {
    printf("error %s\n", strerrorname_np(errno));
  }
  return 0;
}

static int speak(char** words) {
  int fd = openServer(SOCK_STREAM, words[0]);
  if (fd < 0) return fail(words[0]);
  int to = accept(fd, NULL, NULL);
  while (send(to, "tick\n", 5, 0) > 0) {
    puts("said");
    usleep(20 * 1000);
  }
  return 0;
}

static int hear(char** words) {
  char heard[4096];
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = place(words[0], words[1]);
  if (connect(fd, (struct sockaddr*)&at, sizeof at) != 0) return fail(words[0]);
  while (recv(fd, heard, sizeof heard, 0) > 0) puts("heard");
  return 0;
}

int main(int count, char** words) {
  static const struct {
    const char* name;
    int words;
    int (*run)(char**);
  } parts[] = {{"vm", 3, vm},
               {"serve", 2, serve},
               {"ask", 4, ask},
               {"speak", 1, speak},
               {"listen", 2, hear}};
  setlinebuf(stdout);
  signal(SIGPIPE, SIG_IGN);
  for (size_t part = 0; count > 1 && part < sizeof parts / sizeof *parts; part++)
    if (strcmp(words[1], parts[part].name) == 0 && count == parts[part].words + 2)
      return parts[part].run(words + 2);
  return 2;
}
