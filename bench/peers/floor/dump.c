#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { SKIP_STATS = 8 };

static void copy_text(char *to, size_t size, const struct rtattr *from)
{
	size_t length = RTA_PAYLOAD(from);

	if (length >= size)
		length = size - 1;
	memcpy(to, RTA_DATA(from), length);
	to[length] = 0;
}

static void parse_link(const struct nlmsghdr *h, struct row *r)
{
	struct ifinfomsg *info = NLMSG_DATA(h);
	struct rtattr *a = IFLA_RTA(info);
	int left = IFLA_PAYLOAD(h);

	r->index = info->ifi_index;
	r->master = 0;
	r->name[0] = r->kind[0] = r->alias[0] = 0;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct rtattr *inner = RTA_DATA(a);
		int inside = RTA_PAYLOAD(a);

		switch (a->rta_type) {
		case IFLA_IFNAME:
			copy_text(r->name, sizeof(r->name), a);
			break;
		case IFLA_IFALIAS:
			copy_text(r->alias, sizeof(r->alias), a);
			break;
		case IFLA_MASTER:
			memcpy(&r->master, RTA_DATA(a), sizeof(r->master));
			break;
		case IFLA_LINKINFO:
			for (; RTA_OK(inner, inside); inner = RTA_NEXT(inner, inside))
				if (inner->rta_type == IFLA_INFO_KIND)
					copy_text(r->kind, sizeof(r->kind), inner);
			break;
		}
	}
}

static struct row *new_row(struct table *t)
{
	if (t->count == t->capacity) {
		t->capacity = t->capacity * 2 + 256;
		t->rows = realloc(t->rows, t->capacity * sizeof(*t->rows));
		if (!t->rows)
			fail("memory", -ENOMEM);
	}
	return &t->rows[t->count++];
}

void dump_links(int fd, struct batch *b, struct table *t)
{
	static unsigned char buffer[32768];

	t->count = 0;
	batch_clear(b);
	message_begin(b, RTM_GETLINK, NLM_F_DUMP, 0, 0);
	put_u32(b, IFLA_EXT_MASK, SKIP_STATS);
	message_end(b);
	if (send(fd, b->data, b->size, 0) < 0)
		fail("dump", -errno);
	for (;;) {
		ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)buffer;

		if (got < 0)
			fail("dump", -errno);
		for (; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			if (h->nlmsg_flags & NLM_F_DUMP_INTR)
				fail("dump interrupted", -EINTR);
			if (h->nlmsg_type == NLMSG_DONE)
				return;
			if (h->nlmsg_type == RTM_NEWLINK)
				parse_link(h, new_row(t));
		}
	}
}

int is_ours(const struct row *r)
{
	return !strncmp(r->alias, "br_", 3) || !strncmp(r->alias, "vxlan_", 6) ||
	       !strncmp(r->alias, "vnic_", 5);
}
