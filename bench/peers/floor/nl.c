#include "nl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void reserve(struct batch *b, size_t more)
{
	if (b->size + more <= b->capacity)
		return;
	b->capacity = (b->size + more) * 2 + 4096;
	b->data = realloc(b->data, b->capacity);
	if (!b->data)
		fail("memory", -ENOMEM);
}

void batch_clear(struct batch *b)
{
	b->size = 0;
	b->last = 0;
}

void message_begin_raw(struct batch *b, uint16_t type, uint16_t flags, const void *body, size_t size)
{
	struct nlmsghdr *header;
	size_t need = NLMSG_SPACE(size);

	reserve(b, need);
	memset(b->data + b->size, 0, need);
	b->last = b->size;
	header = (struct nlmsghdr *)(b->data + b->size);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	header->nlmsg_seq = ++b->sequence;
	memcpy(NLMSG_DATA(header), body, size);
	b->size += need;
}

void message_begin(struct batch *b, uint16_t type, uint16_t flags, int index, unsigned up)
{
	/* 1 is IFF_UP */
	struct ifinfomsg info = { .ifi_index = index, .ifi_flags = up ? 1 : 0,
				  .ifi_change = up ? 1 : 0 };

	message_begin_raw(b, type, flags, &info, sizeof(info));
}

void message_end(struct batch *b)
{
	struct nlmsghdr *header = (struct nlmsghdr *)(b->data + b->last);

	header->nlmsg_len = b->size - b->last;
}

void put(struct batch *b, uint16_t type, const void *value, size_t length)
{
	struct rtattr *attribute;
	size_t need = RTA_SPACE(length);

	reserve(b, need);
	memset(b->data + b->size, 0, need);
	attribute = (struct rtattr *)(b->data + b->size);
	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(length);
	if (length)
		memcpy(RTA_DATA(attribute), value, length);
	b->size += need;
}

void put_raw(struct batch *b, const void *value, size_t length)
{
	reserve(b, NLMSG_ALIGN(length));
	memset(b->data + b->size, 0, NLMSG_ALIGN(length));
	memcpy(b->data + b->size, value, length);
	b->size += NLMSG_ALIGN(length);
}

void put_string(struct batch *b, uint16_t type, const char *text)
{
	put(b, type, text, strlen(text) + 1);
}

void put_u32(struct batch *b, uint16_t type, uint32_t value)
{
	put(b, type, &value, sizeof(value));
}

void put_u16_be(struct batch *b, uint16_t type, uint16_t value)
{
	value = htons(value);
	put(b, type, &value, sizeof(value));
}

void put_u8(struct batch *b, uint16_t type, uint8_t value)
{
	put(b, type, &value, sizeof(value));
}

size_t nest_begin(struct batch *b, uint16_t type)
{
	size_t start = b->size;

	put(b, type, NULL, 0);
	return start;
}

void nest_end(struct batch *b, size_t start)
{
	struct rtattr *attribute = (struct rtattr *)(b->data + start);

	attribute->rta_len = b->size - start;
}

static int bound_socket(int protocol)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int megabytes = 64 << 20;

	if (fd < 0)
		fail("socket", -errno);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &megabytes, sizeof(megabytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &megabytes, sizeof(megabytes));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		fail("bind", -errno);
	return fd;
}

int route_socket(void)
{
	int fd = bound_socket(NETLINK_ROUTE);
	int on = 1;

	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return fd;
}

int netfilter_socket(void)
{
	return bound_socket(NETLINK_NETFILTER);
}

int monitor_socket(int only_deletes)
{
	/* the message's type is the halfword at offset 4, in the order of the machine */
	struct sock_filter code[] = {
		{ BPF_LD | BPF_H | BPF_ABS, 0, 0, 4 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htons(RTM_DELLINK) },
		{ BPF_RET | BPF_K, 0, 0, 0xffffffff },
		{ BPF_RET | BPF_K, 0, 0, 0 },
	};
	struct sock_fprog program = { 4, code };
	int fd = bound_socket(NETLINK_ROUTE);
	int group = RTNLGRP_LINK;

	if (only_deletes &&
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		fail("filter", -errno);
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		fail("membership", -errno);
	return fd;
}

int batch_run(int fd, struct batch *b)
{
	struct nlmsghdr *last = (struct nlmsghdr *)(b->data + b->last);
	unsigned char answer[8192];
	int first_error = 0;

	last->nlmsg_flags |= NLM_F_ACK;
	if (send(fd, b->data, b->size, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t got = recv(fd, answer, sizeof(answer), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)answer;

		if (got < 0)
			return -errno;
		for (; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			struct nlmsgerr *result = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (result->error && !first_error)
				first_error = result->error;
			if (h->nlmsg_seq == b->sequence)
				return first_error;
		}
	}
}

int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void fail(const char *what, int error)
{
	printf("{\"error\":\"%s: %s\"}\n", what, strerror(-error));
	fflush(stdout);
	exit(1);
}
