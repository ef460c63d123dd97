/* One dump of the links, parsed into rows. */
#ifndef FLOOR_DUMP_H
#define FLOOR_DUMP_H

#include "nl.h"

struct row {
	int index;
	int master;
	char name[16];
	char kind[16];
	char alias[256];
};

struct table {
	struct row *rows;
	int count;
	int capacity;
};

void dump_links(int fd, struct batch *b, struct table *t);
/* 1 when the alias is one that this system writes. */
int is_ours(const struct row *r);

#endif
