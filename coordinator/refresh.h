/* SPDX-License-Identifier: Apache-2.0
 *
 * refresh.h - asks every replica for its Stats each second: whether it is the shard that the
 * topology says, holds the generation, how many documents it counts and what CPU time it has used.
 *
 * One ticker thread; replies come in on loop threads. At most one question per replica is under
 * way.
 */
#ifndef COORD_REFRESH_H
#define COORD_REFRESH_H

#include "coordinator/topology.h"

struct coord_refresh;
/* `after` runs on the ticker thread after every round was sent, with rounds counted from 1; may be
 * NULL. `t` and `generation` are borrowed until stop. */
typedef void coord_refresh_fn(uint64_t round, void *ctx);
struct coord_refresh *coord_refresh_start(struct coord_topology *t, const char *generation,
                                          coord_refresh_fn *after, void *ctx);
/* Joins the thread; before coord_topology_close. NULL is fine. */
void coord_refresh_stop(struct coord_refresh *r);
/* Frees; after coord_topology_close, when no reply can come any more. NULL is fine. */
void coord_refresh_destroy(struct coord_refresh *r);

#endif
