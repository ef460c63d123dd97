/* Elements of nf_tables maps, a whole change in one transaction and one system call. */
#ifndef FLOOR_FORWARDS_H
#define FLOOR_FORWARDS_H

#include "nl.h"

/* A table with three maps: ports, published addresses, and whose they are. Made anew if it is there. */
void make_table(int fd, struct batch *b);
void remove_table(int fd, struct batch *b);

/* Port mappings [from, from + count), the same as protocol.ts describes. */
void add_ports(int fd, struct batch *b, int from, int count);
void delete_ports(int fd, struct batch *b, int from, int count);
/* Reads the map of ports and says how many are in it. */
int count_ports(int fd, struct batch *b);

/* Addresses on eth0 in one request to the router, both maps in one transaction. */
void add_public(int fd, int route, struct batch *b, int count);
void delete_public(int fd, int route, struct batch *b, int count);
int count_public(int fd, struct batch *b);

#endif
