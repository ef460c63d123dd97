/* Netlink messages, built in one buffer and sent with one system call. */
#ifndef FLOOR_NL_H
#define FLOOR_NL_H

#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct batch {
	unsigned char *data;
	size_t size;
	size_t capacity;
	size_t last; /* offset of the last message begun */
	uint32_t sequence;
};

void batch_clear(struct batch *b);
void message_begin(struct batch *b, uint16_t type, uint16_t flags, int index, unsigned up);
void message_begin_raw(struct batch *b, uint16_t type, uint16_t flags, const void *body,
		       size_t size);
void message_end(struct batch *b);
void put(struct batch *b, uint16_t type, const void *value, size_t length);
void put_raw(struct batch *b, const void *value, size_t length);
void put_string(struct batch *b, uint16_t type, const char *text);
void put_u32(struct batch *b, uint16_t type, uint32_t value);
void put_u16_be(struct batch *b, uint16_t type, uint16_t value);
void put_u8(struct batch *b, uint16_t type, uint8_t value);
size_t nest_begin(struct batch *b, uint16_t type);
void nest_end(struct batch *b, size_t start);

int route_socket(void);
int netfilter_socket(void);
int monitor_socket(int only_deletes);
/* Sends all messages with one sendmsg, ACK on the last; the first error (negative errno) or 0. */
int batch_run(int fd, struct batch *b);

int64_t now_ns(void);
void fail(const char *what, int error);

#endif
