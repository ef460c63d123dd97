#include "packets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nl.h"

/* As bench/wire.ts lays it. */
static const char SENDER[] = "wire0", EXTERNAL[] = "ext0", INSIDE[] = "sbr_bench";

enum { LINGER_NS = 2000000000, SOURCE_PORTS = 50000, SOURCES = 200, FEW_FLOWS = 500 };

struct frame {
	struct ether_header ether;
	struct iphdr ip;
	struct tcphdr tcp;
} __attribute__((packed));

static int packet_socket(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_ifindex = if_nametoindex(SENDER) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("packet socket", -errno);
	return fd;
}

static void read_mac(int fd, unsigned char *mac)
{
	struct ifreq request = { 0 };

	strcpy(request.ifr_name, EXTERNAL);
	if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
		fail("the machine's MAC", -errno);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

static int64_t passed(void)
{
	char path[128];
	long long count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/tx_packets", INSIDE);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lld", &count) != 1)
		fail("statistics", -EIO);
	fclose(file);
	return count;
}

static uint16_t sum_of(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2) {
		uint16_t word;

		memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static uint16_t tcp_sum(const struct frame *frame)
{
	struct {
		uint32_t source, destination;
		uint16_t protocol, length;
		struct tcphdr tcp;
	} pseudo = { frame->ip.saddr, frame->ip.daddr, htons(IPPROTO_TCP),
		     htons(sizeof(struct tcphdr)), frame->tcp };

	return sum_of(&pseudo, sizeof(pseudo));
}

/* The opening segment of flow i. */
static void write_frame(struct frame *frame, enum sending how, int i, int ports)
{
	frame->ether.ether_type = htons(ETHERTYPE_IP);
	frame->ip = (struct iphdr){ .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP,
				    .tot_len = htons(sizeof(*frame) - sizeof(frame->ether)) };
	frame->ip.saddr = htonl(0xcb007102 + i / SOURCE_PORTS % SOURCES); /* 203.0.113.2 and on */
	frame->ip.daddr = htonl(how == PLAIN ? 0xac100002 : 0xcb007101); /* 172.16.0.2, .1 */
	frame->ip.check = sum_of(&frame->ip, sizeof(frame->ip));
	frame->tcp = (struct tcphdr){ .source = htons(1024 + i % SOURCE_PORTS),
				      .dest = htons(1 + i % ports), .seq = htonl(i), .doff = 5,
				      .syn = 1, .window = htons(1024) };
	frame->tcp.check = tcp_sum(frame);
}

static void send_burst(int fd, struct frame *frames)
{
	for (int i = 0; i < BURST; i++)
		if (send(fd, &frames[i], sizeof(frames[i]), 0) < 0)
			fail("send", -errno);
}

int send_packets(enum sending how, int n, int ports, int64_t *ns, int *times)
{
	static struct frame frames[BURST];
	int fd = packet_socket(), first = how == ESTABLISHED ? -FEW_FLOWS : 0;
	int64_t before = passed() - first, patience;

	for (int i = 0; i < BURST; i++)
		read_mac(fd, frames[i].ether.ether_dhost);
	for (int sent = first; sent < n; sent += BURST) {
		int64_t start;

		for (int i = 0; i < BURST; i++) {
			int flow = sent + i - first;

			write_frame(&frames[i], how, how == ESTABLISHED ? flow % FEW_FLOWS : flow,
				    ports);
		}
		start = now_ns();
		send_burst(fd, frames);
		if (sent >= 0)
			ns[(*times)++] = now_ns() - start;
	}
	/* What another processor still has in hand. */
	patience = now_ns() + LINGER_NS;
	while (passed() - before < n && now_ns() < patience)
		usleep(1000);
	close(fd);
	return passed() - before;
}
