/* Deletion on threads of their own, and the monitor that hears links go. */
#ifndef FLOOR_DESTROY_H
#define FLOOR_DESTROY_H

#include <pthread.h>

#include "nl.h"

struct deleter {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct batch batch;
	int fd;
	int busy;
};

void deleter_start(struct deleter *d);
/* Sends the deleter's batch; returns at once. */
void deleter_go(struct deleter *d);
/* Returns when nothing is in the kernel's hands any more. */
void deleter_wait(struct deleter *d);
/* Reads the monitor until all links are announced gone. Sorts the indexes. */
void await_gone(int monitor, int *indexes, int count);

#endif
