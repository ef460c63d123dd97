/*
 * Which order of deletion frees a whole subnet (tap, vxlan, bridge) soonest, and what a look before
 * deleting costs. Run inside a fresh network namespace that holds 198.51.100.1 on a link that is up.
 */
#include <errno.h>
#include <linux/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "destroy.h"
#include "links.h"

static struct deleter deleters[4];
static int monitor, route;
static struct batch batch;

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_us(int64_t *values, int count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2] / 1000.0;
}

enum { TRIALS = 21 };

enum order { ONE_GROUP, BRIDGE_AFTER, BRIDGE_SAME_TIME, BRIDGE_FIRST, BRIDGE_RETIRED_AFTER };

static void subnet_trial(const char *label, enum order order, int *number)
{
	int64_t leaves[TRIALS], all[TRIALS], returned[TRIALS];

	for (int i = 0; i < TRIALS; i++) {
		struct subnet s;
		int tap = create_worst(route, &batch, &s, ++*number);
		int links[3] = { tap, s.tunnel, s.bridge };
		int64_t start;

		usleep(20000);
		batch_clear(&deleters[0].batch);
		batch_clear(&deleters[1].batch);
		plan_group_delete(&deleters[0].batch, links, order == ONE_GROUP ? 3 : 2);
		plan_group_delete(&deleters[1].batch, &s.bridge, 1);
		start = now_ns();
		if (order == BRIDGE_RETIRED_AFTER) {
			batch_clear(&batch);
			plan_retire(&batch, s.bridge);
			if (batch_run(route, &batch))
				fail("retire", -EIO);
		}
		if (order == BRIDGE_FIRST)
			deleter_go(&deleters[1]);
		else
			deleter_go(&deleters[0]);
		if (order == BRIDGE_SAME_TIME)
			deleter_go(&deleters[1]);
		if (order == BRIDGE_FIRST)
			deleter_go(&deleters[0]);
		if (order == BRIDGE_FIRST || order == BRIDGE_SAME_TIME || order == ONE_GROUP) {
			await_gone(monitor, links, 3);
			leaves[i] = all[i] = now_ns() - start;
		} else {
			await_gone(monitor, links, 2);
			leaves[i] = now_ns() - start;
			deleter_go(&deleters[1]);
			await_gone(monitor, &s.bridge, 1);
			all[i] = now_ns() - start;
		}
		deleter_wait(&deleters[0]);
		deleter_wait(&deleters[1]);
		returned[i] = now_ns() - start;
	}
	printf("%-52s leaves gone %9.0f  all gone %9.0f  sends returned %9.0f\n", label,
	       median_us(leaves, TRIALS), median_us(all, TRIALS), median_us(returned, TRIALS));
}

static void order_trials(const char *note, int *number)
{
	char label[80];
	const char *names[] = { "one group of three", "tap+vxlan, then bridge on a second thread",
				"tap+vxlan and bridge at the same time", "bridge first",
				"retire bridge, tap+vxlan, then bridge" };

	for (int order = ONE_GROUP; order <= BRIDGE_RETIRED_AFTER; order++) {
		snprintf(label, sizeof(label), "%s, %s", names[order], note);
		subnet_trial(label, order, number);
	}
}

/* Taps destroyed one after another, as soon as the one before is announced, by a pool of senders. */
static void back_to_back(struct subnet *s, int pool)
{
	enum { COUNT = 60 };
	int taps[COUNT];
	int64_t took[COUNT], start;

	for (int i = 0; i < COUNT; i++)
		taps[i] = create_tap(route, &batch, s);
	usleep(50000);
	start = now_ns();
	for (int i = 0; i < COUNT; i++) {
		struct deleter *d = &deleters[i % pool];
		int64_t begin = now_ns();

		deleter_wait(d);
		batch_clear(&d->batch);
		plan_group_delete(&d->batch, &taps[i], 1);
		deleter_go(d);
		await_gone(monitor, &taps[i], 1);
		took[i] = now_ns() - begin;
	}
	printf("%d taps back to back, %d senders: median answer %9.0f us, %7.1f a second\n", COUNT,
	       pool, median_us(took, COUNT), COUNT * 1e9 / (now_ns() - start));
	for (int i = 0; i < pool; i++)
		deleter_wait(&deleters[i]);
}

static int read_link(int fd, int index, uint32_t mask)
{
	unsigned char answer[16384];

	batch_clear(&batch);
	message_begin(&batch, RTM_GETLINK, 0, index, 0);
	put_u32(&batch, IFLA_EXT_MASK, mask);
	message_end(&batch);
	if (send(fd, batch.data, batch.size, 0) < 0)
		return -errno;
	return recv(fd, answer, sizeof(answer), 0);
}

static void look_costs(struct subnet *s)
{
	enum { LOOKS = 2000, SKIP_STATS = 8 };
	static int64_t plain[LOOKS], slim[LOOKS], name[LOOKS];
	int tap = create_tap(route, &batch, s), bytes = 0, all = 0;

	for (int i = 0; i < LOOKS; i++) {
		struct ifreq request = { .ifr_ifindex = tap };
		int64_t t0 = now_ns(), t1, t2, t3;

		bytes = read_link(route, tap, SKIP_STATS);
		t1 = now_ns();
		all = read_link(route, tap, 0);
		t2 = now_ns();
		if (ioctl(route, SIOCGIFNAME, &request) < 0)
			fail("SIOCGIFNAME", -errno);
		t3 = now_ns();
		slim[i] = t1 - t0;
		plain[i] = t2 - t1;
		name[i] = t3 - t2;
	}
	printf("GETLINK by index, SKIP_STATS %.2f us (%d bytes); with statistics %.2f us (%d bytes)\n",
	       median_us(slim, LOOKS), bytes, median_us(plain, LOOKS), all);
	printf("SIOCGIFNAME %.2f us\n", median_us(name, LOOKS));
}

int main(void)
{
	struct subnet s;
	int number = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	route = route_socket();
	monitor = monitor_socket(1);
	for (int i = 0; i < 4; i++)
		deleter_start(&deleters[i]);
	order_trials("no anchor", &number);
	create_anchor(route, &batch);
	order_trials("anchor", &number);
	create_worst(route, &batch, &s, ++number);
	back_to_back(&s, 1);
	back_to_back(&s, 2);
	back_to_back(&s, 4);
	look_costs(&s);
	return 0;
}
