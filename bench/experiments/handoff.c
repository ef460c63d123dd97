/*
 * What it costs to have the floor's work done by a thread of its own, as an event loop must: the same
 * taps made and deleted by the thread that asks, by one that a condition variable wakes, and by one
 * that waits busily. Run inside a fresh network namespace that holds 198.51.100.1 on a link that is up.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "links.h"

enum { TRIALS = 240 };

static int route, done, loop;
static struct batch batch;
static struct subnet subnet;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static atomic_int asked, spins;
static int64_t called, began, ended;

static void nothing(void) {}
static void create(void)
{
	create_tap(route, &batch, &subnet);
}

static void (*work)(void);

static void *worker(void *unused)
{
	uint64_t one = 1;

	(void)unused;
	for (;;) {
		if (atomic_load(&spins))
			while (!atomic_load(&asked) && atomic_load(&spins))
				;
		pthread_mutex_lock(&lock);
		while (!atomic_load(&asked) && !atomic_load(&spins))
			pthread_cond_wait(&wake, &lock);
		pthread_mutex_unlock(&lock);
		if (!atomic_load(&asked))
			continue;
		atomic_store(&asked, 0);
		began = now_ns();
		work();
		ended = now_ns();
		if (write(done, &one, sizeof(one)) != sizeof(one))
			fail("eventfd", -errno);
	}
	return NULL;
}

/* As libuv: an eventfd under epoll. */
static void ask_worker(void)
{
	struct epoll_event event;
	uint64_t count;

	pthread_mutex_lock(&lock);
	atomic_store(&asked, 1);
	pthread_mutex_unlock(&lock);
	pthread_cond_signal(&wake);
	called = now_ns();
	if (epoll_wait(loop, &event, 1, -1) != 1 || read(done, &count, sizeof(count)) < 0)
		fail("epoll", -errno);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_us(int64_t *values)
{
	qsort(values, TRIALS, sizeof(*values), compare);
	return values[TRIALS / 2] / 1000.0;
}

/* `pause_us` stands for what the caller does between two operations. */
static void trial(const char *label, void (*what)(void), int by_worker, int is_busy, int pause_us)
{
	static int64_t all[TRIALS], call[TRIALS], there[TRIALS], back[TRIALS], inside[TRIALS];

	work = what;
	atomic_store(&spins, is_busy);
	pthread_mutex_lock(&lock);
	pthread_cond_signal(&wake);
	pthread_mutex_unlock(&lock);
	create_worst(route, &batch, &subnet, subnet.number + 1);
	for (int i = 0; i < TRIALS; i++) {
		int64_t start, until = now_ns() + pause_us * 1000L;

		if (pause_us > 1000)
			usleep(pause_us);
		else
			while (now_ns() < until)
				;
		start = now_ns();
		if (by_worker) {
			ask_worker();
			call[i] = called - start;
			there[i] = began - start;
			inside[i] = ended - began;
			back[i] = now_ns() - ended;
		} else {
			what();
			inside[i] = now_ns() - start;
		}
		all[i] = now_ns() - start;
	}
	printf("%-34s %8d", label, pause_us);
	printf(" %8.0f %8.0f", median_us(all), median_us(inside));
	if (by_worker)
		printf(" %8.0f %8.0f %8.0f", median_us(call), median_us(there), median_us(back));
	printf("\n");
}

int main(void)
{
	const int pauses[] = { 0, 200, 5000, 30000 };
	struct epoll_event event = { .events = EPOLLIN };
	pthread_t thread;

	route = route_socket();
	done = eventfd(0, EFD_CLOEXEC);
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (done < 0 || loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, done, &event) < 0)
		fail("eventfd", -errno);
	work = nothing;
	if (pthread_create(&thread, NULL, worker, NULL))
		fail("pthread_create", -EAGAIN);
	printf("%-34s %8s %8s %8s %8s %8s %8s\n", "median us of 240", "pause", "all", "work",
	       "call", "there", "back");
	for (int p = 0; p < 4; p++) {
		trial("nothing, by a sleeping thread", nothing, 1, 0, pauses[p]);
		trial("nothing, by a busy thread", nothing, 1, 1, pauses[p]);
		trial("a tap, by the thread that asks", create, 0, 0, pauses[p]);
		trial("a tap, by a sleeping thread", create, 1, 0, pauses[p]);
		trial("a tap, by a busy thread", create, 1, 1, pauses[p]);
	}
	return 0;
}
