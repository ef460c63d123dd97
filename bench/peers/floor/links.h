/* The links of a compute node, made and unmade in the fewest and cheapest messages. */
#ifndef FLOOR_LINKS_H
#define FLOOR_LINKS_H

#include "nl.h"

struct subnet {
	int number;
	int bridge;
	int tunnel;
	int ports; /* VNICs ever made: gives the next address */
};

enum { UNDERLAY_OVERHEAD_MTU = 1450, VXLAN_PORT = 4789 };

int next_index(void);
/* First VNIC of a subnet: bridge, tunnel and tap. Returns the tap's index. */
int create_worst(int fd, struct batch *b, struct subnet *s, int number);
int create_tap(int fd, struct batch *b, struct subnet *s);
/* Returns the index of the host end. */
int create_veth(int fd, struct batch *b, struct subnet *s);
/* A vxlan that stays up, so that the last tunnel of a subnet is never the last on its port. */
void create_anchor(int fd, struct batch *b);
/* Fills the batch with: move each link to a fresh group, delete that group. */
void plan_group_delete(struct batch *b, const int *indexes, int count);
/* Fills the batch with: take a bridge's name and alias away and put it down. */
void plan_retire(struct batch *b, int bridge);

#endif
