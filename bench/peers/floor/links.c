#include "links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/neighbour.h>
#include <linux/veth.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int index_seed;

int next_index(void)
{
	if (!index_seed)
		index_seed = 0x10000000 + (int)(now_ns() & 0x3fffffff);
	return ++index_seed;
}

static void random_name(char *name, const char *prefix)
{
	static uint32_t state;

	if (!state)
		state = (uint32_t)now_ns() ^ ((uint32_t)getpid() << 16);
	state = state * 1664525u + 1013904223u;
	snprintf(name, IFNAMSIZ, "%s_%x", prefix, state);
}

static void scope_text(char *text, size_t size, int number)
{
	snprintf(text, size,
		 "11111111-1111-4111-8111-%012x_22222222-2222-4222-8222-%012x_"
		 "33333333-3333-4333-8333-333333333333_198.51.100.9",
		 number, number);
}

/* No IPv6 link-local address on the host's side of a tenant's network. */
static void put_no_link_local(struct batch *b)
{
	size_t spec = nest_begin(b, IFLA_AF_SPEC);
	size_t inet6 = nest_begin(b, AF_INET6);

	put_u8(b, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nest_end(b, inet6);
	nest_end(b, spec);
}

static void put_mac(struct batch *b, int subnet, int port)
{
	unsigned char mac[6] = { 0x02, 0, (unsigned char)(subnet >> 8), (unsigned char)subnet,
				 (unsigned char)(port >> 8), (unsigned char)port };

	put(b, IFLA_ADDRESS, mac, sizeof(mac));
}

static void plan_bridge(struct batch *b, struct subnet *s)
{
	char name[IFNAMSIZ];
	size_t info;

	random_name(name, "sbr");
	message_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, s->bridge, 0);
	put_string(b, IFLA_IFNAME, name);
	put_mac(b, s->number, 0xfffe);
	put_u32(b, IFLA_MTU, UNDERLAY_OVERHEAD_MTU);
	put_u32(b, IFLA_TXQLEN, 0);
	info = nest_begin(b, IFLA_LINKINFO);
	put_string(b, IFLA_INFO_KIND, "bridge");
	nest_end(b, info);
	message_end(b);
}

static void plan_vxlan(struct batch *b, const char *name, int index, int master, uint32_t vni)
{
	uint32_t local = inet_addr("198.51.100.1"), remote = inet_addr("198.51.100.9");
	size_t info, data;

	message_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, index, !master);
	put_string(b, IFLA_IFNAME, name);
	if (master) {
		put_u32(b, IFLA_MTU, UNDERLAY_OVERHEAD_MTU);
		put_u32(b, IFLA_TXQLEN, 1000);
		put_u32(b, IFLA_MASTER, master);
	}
	info = nest_begin(b, IFLA_LINKINFO);
	put_string(b, IFLA_INFO_KIND, "vxlan");
	data = nest_begin(b, IFLA_INFO_DATA);
	put_u32(b, IFLA_VXLAN_ID, vni);
	put_u32(b, IFLA_VXLAN_LOCAL, local);
	if (master)
		put_u32(b, IFLA_VXLAN_GROUP, remote);
	put_u8(b, IFLA_VXLAN_LEARNING, 1);
	put_u16_be(b, IFLA_VXLAN_PORT, VXLAN_PORT);
	nest_end(b, data);
	nest_end(b, info);
	message_end(b);
}

/* Apart from what goes before: within one message the kernel raises a link before it reads AF_SPEC. */
static void plan_up(struct batch *b, int index)
{
	message_begin(b, RTM_SETLINK, 0, index, 1);
	message_end(b);
}

static void plan_alias(struct batch *b, int index, const char *prefix, const char *scope)
{
	char alias[256];

	snprintf(alias, sizeof(alias), "%s_%s", prefix, scope);
	message_begin(b, RTM_SETLINK, 0, index, 0);
	put_string(b, IFLA_IFALIAS, alias);
	put_no_link_local(b);
	message_end(b);
	plan_up(b, index);
}

static void put_vnic_alias(struct batch *b, struct subnet *s)
{
	char scope[200], alias[256];

	scope_text(scope, sizeof(scope), s->number);
	snprintf(alias, sizeof(alias), "vnic_%s##10.%d.%d.%d", scope, s->number >> 8,
		 s->number & 255, s->ports + 2);
	put_string(b, IFLA_IFALIAS, alias);
}

/* The workload's MAC stays at its port whatever arrives elsewhere, as ours does on VXLAN. */
static void plan_pin(struct batch *b, struct subnet *s, int index)
{
	unsigned char mac[6] = { 0x02, 0, (unsigned char)(s->number >> 8), (unsigned char)s->number,
				 0, (unsigned char)(s->ports + 2) };
	struct ndmsg header = { .ndm_family = AF_BRIDGE, .ndm_ifindex = index,
				.ndm_state = NUD_NOARP, .ndm_flags = NTF_MASTER | NTF_STICKY };

	message_begin_raw(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));
	put(b, NDA_LLADDR, mac, sizeof(mac));
	message_end(b);
}

/*
 * Opens a tap and runs the batch plus the tap's own message; PERSIST comes when all of it is there. It
 * comes up last: the kernel lets go of a tap that is up 50 us later.
 */
static int finish_tap(int fd, struct batch *b, struct subnet *s)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int index = next_index();
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	int rc;

	if (tap < 0)
		fail("open tun", -errno);
	random_name(request.ifr_name, "svn");
	if (ioctl(tap, TUNSETIFINDEX, &index) < 0 || ioctl(tap, TUNSETIFF, &request) < 0)
		fail("tap", -errno);
	message_begin(b, RTM_SETLINK, 0, index, 0);
	put_u32(b, IFLA_MTU, UNDERLAY_OVERHEAD_MTU);
	put_u32(b, IFLA_TXQLEN, 1000);
	put_vnic_alias(b, s);
	put_u32(b, IFLA_MASTER, s->bridge);
	put_no_link_local(b);
	message_end(b);
	plan_pin(b, s, index);
	rc = batch_run(fd, b);
	if (rc)
		fail("create with tap", rc);
	if (ioctl(tap, TUNSETPERSIST, 1) < 0)
		fail("persist", -errno);
	close(tap);
	batch_clear(b);
	plan_up(b, index);
	rc = batch_run(fd, b);
	if (rc)
		fail("raise tap", rc);
	s->ports++;
	return index;
}

int create_worst(int fd, struct batch *b, struct subnet *s, int number)
{
	char scope[200], name[IFNAMSIZ];

	s->number = number;
	s->ports = 0;
	s->bridge = next_index();
	s->tunnel = next_index();
	scope_text(scope, sizeof(scope), number);
	batch_clear(b);
	plan_bridge(b, s);
	random_name(name, "sgt");
	plan_vxlan(b, name, s->tunnel, s->bridge, 1000 + number);
	plan_alias(b, s->bridge, "br", scope);
	plan_alias(b, s->tunnel, "vxlan", scope);
	return finish_tap(fd, b, s);
}

int create_tap(int fd, struct batch *b, struct subnet *s)
{
	batch_clear(b);
	return finish_tap(fd, b, s);
}

static void plan_veth(struct batch *b, struct subnet *s, int host, int peer)
{
	char name[IFNAMSIZ], peer_name[IFNAMSIZ];
	struct ifinfomsg header = { .ifi_index = peer };
	size_t info, data, nest;

	random_name(name, "svn");
	snprintf(peer_name, sizeof(peer_name), "svp%.12s", name + 3);
	message_begin(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, host, 0);
	put_string(b, IFLA_IFNAME, name);
	put_u32(b, IFLA_MTU, UNDERLAY_OVERHEAD_MTU);
	put_u32(b, IFLA_TXQLEN, 0);
	put_u32(b, IFLA_MASTER, s->bridge);
	info = nest_begin(b, IFLA_LINKINFO);
	put_string(b, IFLA_INFO_KIND, "veth");
	data = nest_begin(b, IFLA_INFO_DATA);
	nest = nest_begin(b, VETH_INFO_PEER);
	put_raw(b, &header, sizeof(header)); /* this nest starts with a header, not an attribute */
	put_string(b, IFLA_IFNAME, peer_name);
	put_mac(b, s->number, s->ports + 2);
	put_u32(b, IFLA_MTU, UNDERLAY_OVERHEAD_MTU);
	put_u32(b, IFLA_TXQLEN, 0);
	nest_end(b, nest);
	nest_end(b, data);
	nest_end(b, info);
	message_end(b);
}

int create_veth(int fd, struct batch *b, struct subnet *s)
{
	int host = next_index(), peer = next_index(), rc;

	batch_clear(b);
	plan_veth(b, s, host, peer);
	message_begin(b, RTM_SETLINK, 0, host, 0);
	put_vnic_alias(b, s);
	put_no_link_local(b);
	message_end(b);
	plan_up(b, host);
	plan_pin(b, s, host);
	rc = batch_run(fd, b);
	if (rc)
		fail("create veth", rc);
	s->ports++;
	return host;
}

void create_anchor(int fd, struct batch *b)
{
	int rc;

	batch_clear(b);
	plan_vxlan(b, "anchor0", next_index(), 0, 16777215);
	rc = batch_run(fd, b);
	if (rc && rc != -EEXIST)
		fail("create anchor", rc);
}

void plan_group_delete(struct batch *b, const int *indexes, int count)
{
	uint32_t group = (uint32_t)next_index() | 0x80000000u;

	for (int i = 0; i < count; i++) {
		message_begin(b, RTM_SETLINK, 0, indexes[i], 0);
		put_u32(b, IFLA_GROUP, group);
		message_end(b);
	}
	message_begin(b, RTM_DELLINK, 0, 0, 0);
	put_u32(b, IFLA_GROUP, group);
	message_end(b);
}

void plan_retire(struct batch *b, int bridge)
{
	char name[IFNAMSIZ];
	struct ifinfomsg *info;

	random_name(name, "sbr");
	message_begin(b, RTM_SETLINK, 0, bridge, 0);
	info = NLMSG_DATA((struct nlmsghdr *)(b->data + b->last));
	info->ifi_change = 1; /* IFF_UP off */
	put_string(b, IFLA_IFNAME, name);
	put_string(b, IFLA_IFALIAS, "trash");
	message_end(b);
}
