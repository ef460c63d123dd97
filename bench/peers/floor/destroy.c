#include "destroy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

static void *delete_loop(void *argument)
{
	struct deleter *d = argument;

	pthread_mutex_lock(&d->lock);
	for (;;) {
		int rc;

		while (!d->busy)
			pthread_cond_wait(&d->wake, &d->lock);
		pthread_mutex_unlock(&d->lock);
		rc = batch_run(d->fd, &d->batch);
		if (rc)
			fail("delete", rc);
		pthread_mutex_lock(&d->lock);
		d->busy = 0;
		pthread_cond_broadcast(&d->wake);
	}
	return NULL;
}

void deleter_start(struct deleter *d)
{
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->wake, NULL);
	d->fd = route_socket();
	pthread_create(&d->thread, NULL, delete_loop, d);
}

void deleter_go(struct deleter *d)
{
	pthread_mutex_lock(&d->lock);
	d->busy = 1;
	pthread_cond_broadcast(&d->wake);
	pthread_mutex_unlock(&d->lock);
}

void deleter_wait(struct deleter *d)
{
	pthread_mutex_lock(&d->lock);
	while (d->busy)
		pthread_cond_wait(&d->wake, &d->lock);
	pthread_mutex_unlock(&d->lock);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

void await_gone(int monitor, int *indexes, int count)
{
	unsigned char buffer[32768];
	int left = count;

	qsort(indexes, count, sizeof(*indexes), compare);
	while (left > 0) {
		ssize_t got = recv(monitor, buffer, sizeof(buffer), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)buffer;

		if (got < 0)
			fail("monitor", -errno);
		for (; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
			struct ifinfomsg *info = NLMSG_DATA(h);

			/* the bridge announces its ports' leaving too, under its own family */
			if (info->ifi_family != AF_UNSPEC)
				continue;
			left -= bsearch(&info->ifi_index, indexes, count, sizeof(int), compare) != NULL;
		}
	}
}
