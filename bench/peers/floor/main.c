/*
 * The floor: what the kernel itself costs, in the best known way to ask it.
 *
 * Reads one command a line from standard input, {"cmd":"create-best-vm","n":40,"subnets":1}, and
 * answers with one line, {"us":[...],"count":n}: the time of each operation in microseconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "destroy.h"
#include "dump.h"
#include "forwards.h"
#include "links.h"
#include "packets.h"

enum { PER_LOAD_SUBNET = 31, DUMPS = 9 };
/* As often as the others: protocol.ts. */
enum { CYCLES = 25, CYCLES_OF_MANY = 5, MANY = 10000, ONES = 40 };
/* As in protocol.ts: cycles without a clock, then with one. */
enum { WARM_UP = 25, CYCLES_OF_SOME = 40 };

static int route, monitor, netfilter;
static struct batch batch;
static struct deleter leaves, bridges;
static struct table table;
static int subnets_made;

struct result {
	int64_t ns[4096];
	int times;
	int count; /* links or VNICs seen, so that the driver can check that the work was done */
};

static void record(struct result *r, int64_t start)
{
	r->ns[r->times++] = now_ns() - start;
}

static void create_worst_vm(struct result *r, int n)
{
	for (int i = 0; i < n; i++) {
		struct subnet s;
		int64_t start = now_ns();

		create_worst(route, &batch, &s, ++subnets_made);
		record(r, start);
	}
	r->count = n;
}

static void create_best(struct result *r, int n, int (*create)(int, struct batch *, struct subnet *))
{
	struct subnet s;

	create_worst(route, &batch, &s, ++subnets_made);
	for (int i = 0; i < n; i++) {
		int64_t start = now_ns();

		create(route, &batch, &s);
		record(r, start);
	}
	r->count = n;
}

static void group_delete(struct deleter *d, int *links, int count)
{
	batch_clear(&d->batch);
	plan_group_delete(&d->batch, links, count);
	deleter_go(d);
	await_gone(monitor, links, count);
}

static void destroy_best_vm(struct result *r, int n)
{
	struct subnet s;
	int *taps = calloc(n, sizeof(int));

	create_worst(route, &batch, &s, ++subnets_made);
	for (int i = 0; i < n; i++)
		taps[i] = create_tap(route, &batch, &s);
	for (int i = 0; i < n; i++) {
		int64_t start = now_ns();

		group_delete(&leaves, &taps[i], 1);
		record(r, start);
		deleter_wait(&leaves);
	}
	r->count = n;
	free(taps);
}

/* Tap and tunnel first, the bridge behind them on a thread of its own: its delete holds rtnl. */
static void destroy_worst_vm(struct result *r, int n, int until_gone)
{
	create_anchor(route, &batch);
	for (int i = 0; i < n; i++) {
		struct subnet s;
		int tap = create_worst(route, &batch, &s, ++subnets_made);
		int links[2] = { tap, s.tunnel };
		int64_t start = now_ns();

		group_delete(&leaves, links, 2);
		if (!until_gone)
			record(r, start);
		group_delete(&bridges, &s.bridge, 1);
		if (until_gone)
			record(r, start);
		deleter_wait(&leaves);
		deleter_wait(&bridges);
	}
	r->count = n;
}

static int populate(int n, int subnets)
{
	int made = 0;

	for (int i = 0; i < subnets; i++) {
		struct subnet s;
		int here = n / subnets + (i < n % subnets);

		create_worst(route, &batch, &s, ++subnets_made);
		for (int k = 1; k < here; k++)
			create_tap(route, &batch, &s);
		made += here;
	}
	return made;
}

static int delete_ours(void)
{
	int *links, count = 0;

	dump_links(route, &batch, &table);
	links = calloc(table.count + 1, sizeof(int));
	for (int i = 0; i < table.count; i++)
		if (is_ours(&table.rows[i]))
			links[count++] = table.rows[i].index;
	group_delete(&leaves, links, count);
	free(links);
	return count;
}

static void rebuild(struct result *r)
{
	for (int i = 0; i < DUMPS; i++) {
		int64_t start = now_ns();

		dump_links(route, &batch, &table);
		r->count = 0;
		for (int k = 0; k < table.count; k++)
			r->count += !strncmp(table.rows[k].alias, "vnic_", 5);
		record(r, start);
	}
}

static void load(struct result *r, int n, int subnets, int destroy)
{
	int64_t start;

	create_anchor(route, &batch);
	start = now_ns();
	r->count = populate(n, subnets);
	if (destroy) {
		start = now_ns();
		delete_ours();
	}
	record(r, start);
	deleter_wait(&leaves);
}

static void reset(struct result *r)
{
	int64_t start;

	create_anchor(route, &batch);
	start = now_ns();
	r->count = delete_ours();
	record(r, start);
	deleter_wait(&leaves);
}

/* All in one transaction, and gone again in one; which of the two is timed says `off`. */
/* As in protocol.ts: long enough for the kernel to have done with the transaction before. */
enum { REST_US = 20000 };

static void forward(struct result *r, int n, int off)
{
	int warm_up = n > MANY ? 0 : WARM_UP;
	int cycles = n > MANY ? CYCLES_OF_MANY : CYCLES_OF_SOME;

	make_table(netfilter, &batch);
	for (int i = -warm_up; i < cycles; i++) {
		int is_last = i == cycles - 1;
		int64_t start;

		usleep(REST_US);
		start = now_ns();
		add_ports(netfilter, &batch, 0, n);
		if (!off && i >= 0)
			record(r, start);
		if (is_last)
			r->count = count_ports(netfilter, &batch);
		usleep(REST_US);
		start = now_ns();
		delete_ports(netfilter, &batch, 0, n);
		if (off && i >= 0)
			record(r, start);
		if (is_last)
			r->count -= count_ports(netfilter, &batch);
	}
	remove_table(netfilter, &batch);
}

static void forward_one(struct result *r, int present)
{
	make_table(netfilter, &batch);
	add_ports(netfilter, &batch, 0, present);
	for (int i = 0; i < ONES; i++) {
		int64_t start;

		if (i > 0)
			delete_ports(netfilter, &batch, present, 1);
		start = now_ns();
		add_ports(netfilter, &batch, present, 1);
		record(r, start);
	}
	r->count = count_ports(netfilter, &batch);
	remove_table(netfilter, &batch);
}

static void public_ip(struct result *r, int n)
{
	make_table(netfilter, &batch);
	for (int i = 0; i < CYCLES; i++) {
		int64_t start = now_ns();

		add_public(netfilter, route, &batch, n);
		record(r, start);
		r->count = count_public(netfilter, &batch);
		delete_public(netfilter, route, &batch, n);
	}
	remove_table(netfilter, &batch);
}

static void readopt(struct result *r, int n)
{
	make_table(netfilter, &batch);
	add_ports(netfilter, &batch, 0, n);
	for (int i = 0; i < CYCLES; i++) {
		int64_t start = now_ns();

		r->count = count_ports(netfilter, &batch);
		record(r, start);
	}
	remove_table(netfilter, &batch);
}

static int number_after(const char *line, const char *key, int otherwise)
{
	const char *at = strstr(line, key);

	return at ? atoi(at + strlen(key)) : otherwise;
}

static int run(const char *line, struct result *r)
{
	int n = number_after(line, "\"n\":", 20);
	int subnets = number_after(line, "\"subnets\":", 1);
	int present = number_after(line, "\"present\":", 0);

	if (strstr(line, "\"create-worst-vm\""))
		create_worst_vm(r, n);
	else if (strstr(line, "\"create-best-vm\""))
		create_best(r, n, create_tap);
	else if (strstr(line, "\"create-best-container\""))
		create_best(r, n, create_veth);
	else if (strstr(line, "\"destroy-best-vm\""))
		destroy_best_vm(r, n);
	else if (strstr(line, "\"destroy-worst-vm-answered\""))
		destroy_worst_vm(r, n, 0);
	else if (strstr(line, "\"destroy-worst-vm-gone\""))
		destroy_worst_vm(r, n, 1);
	else if (strstr(line, "\"load-create\""))
		load(r, n, subnets, 0);
	else if (strstr(line, "\"load-destroy\""))
		load(r, n, subnets, 1);
	else if (strstr(line, "\"populate\""))
		r->count = populate(n, subnets);
	else if (strstr(line, "\"rebuild\""))
		rebuild(r);
	else if (strstr(line, "\"reset\""))
		reset(r);
	else if (strstr(line, "\"forward\""))
		forward(r, n, 0);
	else if (strstr(line, "\"forward-off\""))
		forward(r, n, 1);
	else if (strstr(line, "\"forward-one\""))
		forward_one(r, present);
	else if (strstr(line, "\"public-ip\""))
		public_ip(r, n);
	else if (strstr(line, "\"readopt\""))
		readopt(r, n);
	else if (strstr(line, "\"send-plain\""))
		r->count = send_packets(PLAIN, n, present, r->ns, &r->times);
	else if (strstr(line, "\"send-new\""))
		r->count = send_packets(NEW_FLOWS, n, present, r->ns, &r->times);
	else if (strstr(line, "\"send-established\""))
		r->count = send_packets(ESTABLISHED, n, present, r->ns, &r->times);
	else
		return 0;
	return 1;
}

int main(void)
{
	static struct result result;
	char line[1024];

	setvbuf(stdout, NULL, _IOFBF, 1 << 20);
	route = route_socket();
	monitor = monitor_socket(1);
	netfilter = netfilter_socket();
	deleter_start(&leaves);
	deleter_start(&bridges);
	printf("{\"ready\":true}\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		result.times = result.count = 0;
		if (!run(line, &result)) {
			printf("{\"error\":\"unknown command\"}\n");
			fflush(stdout);
			continue;
		}
		printf("{\"us\":[");
		for (int i = 0; i < result.times; i++)
			printf("%s%.1f", i ? "," : "", result.ns[i] / 1000.0);
		printf("],\"count\":%d}\n", result.count);
		fflush(stdout);
	}
	return 0;
}
