/* Sends packets into one end of a veth and waits until they have left the machine at the other side. */
#ifndef FLOOR_PACKETS_H
#define FLOOR_PACKETS_H

#include <stdint.h>

enum { BURST = 250 };

enum sending {
	PLAIN, /* to the workload's own address */
	NEW_FLOWS, /* to ports of the machine, each packet a flow of its own */
	ESTABLISHED, /* to ports of the machine, flows that are known */
};

/* Sends n packets to so many ports; writes the time of each burst. Returns how many came through. */
int send_packets(enum sending how, int n, int ports, int64_t *ns, int *times);

#endif
