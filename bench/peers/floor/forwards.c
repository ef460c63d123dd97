#include "forwards.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ANSWER = 1 << 16, ELEMENTS_A_MESSAGE = 1500, IFNAME = 16 };
/* How nft calls the types; the kernel only hands them back. */
enum { TYPE_IPV4 = 7, TYPE_SERVICE = 13, TYPE_PROTO = 12, TYPE_NAME = 41, TYPE_BITS = 6 };

static const char TABLE[] = "bench";

struct map {
	const char *name;
	uint32_t key_type, key_size, data_type, data_size;
	/* The most elements; with it the kernel makes the hash table once and for all. */
	uint32_t size;
};

static const struct map PORTS = { "ports", TYPE_PROTO << TYPE_BITS | TYPE_SERVICE, 8,
				  TYPE_IPV4 << TYPE_BITS | TYPE_SERVICE, 8, 196608 };
static const struct map PUBLISHED = { "published", TYPE_IPV4, 4, TYPE_IPV4, 4, 0 };
static const struct map SOURCES = { "sources", TYPE_IPV4 << TYPE_BITS | TYPE_NAME, 4 + IFNAME,
				    TYPE_IPV4, 4, 0 };

static void begin(struct batch *b, uint16_t type, uint16_t flags, uint8_t family, uint16_t id)
{
	struct nfgenmsg header = { family, NFNETLINK_V0, htons(id) };

	message_begin_raw(b, type, flags, &header, sizeof(header));
}

static void begin_nft(struct batch *b, uint16_t type, uint16_t flags)
{
	begin(b, NFNL_SUBSYS_NFTABLES << 8 | type, flags, NFPROTO_INET, 0);
}

static void transaction_begin(struct batch *b)
{
	batch_clear(b);
	begin(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message_end(b);
}

static void put_u32_be(struct batch *b, uint16_t type, uint32_t value)
{
	put_u32(b, type, htonl(value));
}

/* The answer to the last message comes when all is committed; the first error is all there is. */
static void transaction_run(int fd, struct batch *b)
{
	struct nlmsghdr *last = (struct nlmsghdr *)(b->data + b->last);
	static unsigned char answer[ANSWER];
	ssize_t got;

	last->nlmsg_flags |= NLM_F_ACK;
	begin(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	message_end(b);
	if (send(fd, b->data, b->size, 0) < 0)
		fail("send", -errno);
	got = recv(fd, answer, sizeof(answer), 0);
	if (got < 0)
		fail("recv", -errno);
	if (((struct nlmsghdr *)answer)->nlmsg_type == NLMSG_ERROR) {
		struct nlmsgerr *result = NLMSG_DATA((struct nlmsghdr *)answer);

		if (result->error)
			fail("transaction", result->error);
	}
}

static void plan_table(struct batch *b, uint16_t type, uint16_t flags)
{
	begin_nft(b, type, flags);
	put_string(b, NFTA_TABLE_NAME, TABLE);
	message_end(b);
}

static void plan_map(struct batch *b, const struct map *map, uint32_t id)
{
	begin_nft(b, NFT_MSG_NEWSET, NLM_F_CREATE | NLM_F_EXCL);
	put_string(b, NFTA_SET_TABLE, TABLE);
	put_string(b, NFTA_SET_NAME, map->name);
	put_u32_be(b, NFTA_SET_FLAGS, NFT_SET_MAP);
	put_u32_be(b, NFTA_SET_KEY_TYPE, map->key_type);
	put_u32_be(b, NFTA_SET_KEY_LEN, map->key_size);
	put_u32_be(b, NFTA_SET_DATA_TYPE, map->data_type);
	put_u32_be(b, NFTA_SET_DATA_LEN, map->data_size);
	put_u32_be(b, NFTA_SET_ID, id);
	if (map->size != 0) {
		size_t description = nest_begin(b, NFTA_SET_DESC);

		put_u32_be(b, NFTA_SET_DESC_SIZE, map->size);
		nest_end(b, description);
	}
	message_end(b);
}

void make_table(int fd, struct batch *b)
{
	transaction_begin(b);
	plan_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	plan_table(b, NFT_MSG_DELTABLE, 0);
	plan_table(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	plan_map(b, &PORTS, 1);
	plan_map(b, &PUBLISHED, 2);
	plan_map(b, &SOURCES, 3);
	transaction_run(fd, b);
}

void remove_table(int fd, struct batch *b)
{
	transaction_begin(b);
	plan_table(b, NFT_MSG_DELTABLE, 0);
	transaction_run(fd, b);
}

static void put_value(struct batch *b, uint16_t type, const void *value, size_t size)
{
	size_t data = nest_begin(b, type);

	put(b, NFTA_DATA_VALUE, value, size);
	nest_end(b, data);
}

/* Writes the key and the data of element i. */
typedef void element_writer(int i, unsigned char *key, unsigned char *data);

static void plan_elements(struct batch *b, const struct map *map, int adding, int from, int count,
			  element_writer *write)
{
	for (int done = 0; done < count; done += ELEMENTS_A_MESSAGE) {
		size_t list;
		int end = done + ELEMENTS_A_MESSAGE < count ? done + ELEMENTS_A_MESSAGE : count;

		if (adding)
			begin_nft(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);
		else
			begin_nft(b, NFT_MSG_DELSETELEM, 0);
		put_string(b, NFTA_SET_ELEM_LIST_TABLE, TABLE);
		put_string(b, NFTA_SET_ELEM_LIST_SET, map->name);
		list = nest_begin(b, NFTA_SET_ELEM_LIST_ELEMENTS);
		for (int i = done; i < end; i++) {
			unsigned char key[4 + IFNAME] = { 0 }, data[8] = { 0 };
			size_t element = nest_begin(b, NFTA_LIST_ELEM);

			write(from + i, key, data);
			put_value(b, NFTA_SET_ELEM_KEY, key, map->key_size);
			if (adding)
				put_value(b, NFTA_SET_ELEM_DATA, data, map->data_size);
			nest_end(b, element);
		}
		nest_end(b, list);
		message_end(b);
	}
}

static void write_u16(unsigned char *at, unsigned value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void write_workload(unsigned char *at, int i)
{
	unsigned char address[4] = { 172, 16, i / 250, 2 + i % 250 };

	memcpy(at, address, sizeof(address));
}

static void write_published_address(unsigned char *at, int i)
{
	unsigned char address[4] = { 198, 51, 100, 100 + i };

	memcpy(at, address, sizeof(address));
}

static void write_port(int i, unsigned char *key, unsigned char *data)
{
	key[0] = IPPROTO_TCP;
	write_u16(key + 4, i + 1);
	write_workload(data, i);
	write_u16(data + 4, 22);
}

static void write_published(int i, unsigned char *key, unsigned char *data)
{
	write_published_address(key, i);
	write_workload(data, i);
}

static void write_source(int i, unsigned char *key, unsigned char *data)
{
	write_workload(key, i);
	memcpy(key + 4, "eth0", 4);
	write_published_address(data, i);
}

void add_ports(int fd, struct batch *b, int from, int count)
{
	if (count == 0)
		return;
	transaction_begin(b);
	plan_elements(b, &PORTS, 1, from, count, write_port);
	transaction_run(fd, b);
}

void delete_ports(int fd, struct batch *b, int from, int count)
{
	transaction_begin(b);
	plan_elements(b, &PORTS, 0, from, count, write_port);
	transaction_run(fd, b);
}

static int count_elements(struct nlmsghdr *message)
{
	struct rtattr *list = (struct rtattr *)((char *)NLMSG_DATA(message) + sizeof(struct nfgenmsg));
	int left = NLMSG_PAYLOAD(message, sizeof(struct nfgenmsg)), count = 0;

	for (; RTA_OK(list, left); list = RTA_NEXT(list, left)) {
		struct rtattr *element = RTA_DATA(list);
		int inside = RTA_PAYLOAD(list);

		if ((list->rta_type & NLA_TYPE_MASK) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		for (; RTA_OK(element, inside); element = RTA_NEXT(element, inside))
			count++;
	}
	return count;
}

static int count_map(int fd, struct batch *b, const struct map *map)
{
	static unsigned char answer[ANSWER];
	int count = 0;

	batch_clear(b);
	begin_nft(b, NFT_MSG_GETSETELEM, NLM_F_DUMP);
	put_string(b, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	put_string(b, NFTA_SET_ELEM_LIST_SET, map->name);
	message_end(b);
	if (send(fd, b->data, b->size, 0) < 0)
		fail("send", -errno);
	for (;;) {
		ssize_t got = recv(fd, answer, sizeof(answer), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)answer;

		if (got < 0)
			fail("dump", -errno);
		for (; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return count;
			if (h->nlmsg_type == NLMSG_ERROR)
				fail("dump", ((struct nlmsgerr *)NLMSG_DATA(h))->error);
			count += count_elements(h);
		}
	}
}

int count_ports(int fd, struct batch *b)
{
	return count_map(fd, b, &PORTS);
}

int count_public(int fd, struct batch *b)
{
	return count_map(fd, b, &PUBLISHED);
}

static void set_addresses(int route, struct batch *b, uint16_t type, uint16_t flags, int count)
{
	struct ifaddrmsg info = { .ifa_family = AF_INET, .ifa_prefixlen = 32,
				  .ifa_index = if_nametoindex("eth0") };
	int error;

	batch_clear(b);
	for (int i = 0; i < count; i++) {
		unsigned char address[4];

		write_published_address(address, i);
		message_begin_raw(b, type, flags, &info, sizeof(info));
		put(b, IFA_LOCAL, address, sizeof(address));
		put(b, IFA_ADDRESS, address, sizeof(address));
		message_end(b);
	}
	error = batch_run(route, b);
	if (error)
		fail("addresses", error);
}

void add_public(int fd, int route, struct batch *b, int count)
{
	set_addresses(route, b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, count);
	transaction_begin(b);
	plan_elements(b, &PUBLISHED, 1, 0, count, write_published);
	plan_elements(b, &SOURCES, 1, 0, count, write_source);
	transaction_run(fd, b);
}

void delete_public(int fd, int route, struct batch *b, int count)
{
	transaction_begin(b);
	plan_elements(b, &PUBLISHED, 0, 0, count, write_published);
	plan_elements(b, &SOURCES, 0, 0, count, write_source);
	transaction_run(fd, b);
	set_addresses(route, b, RTM_DELADDR, 0, count);
}
