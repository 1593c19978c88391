/* SPDX-License-Identifier: Apache-2.0
 *
 * order.h - the numbers below n in a seeded order without repeats and without a table: place i
 * holds (first + i * step) mod n with step coprime to n. For draws that anybody can repeat. Pure;
 * thread-safe.
 */
#ifndef WF_ORDER_H
#define WF_ORDER_H

#include <stdint.h>

struct wf_order {
    uint64_t n, first, step;
};
/* The same for every (n, seed, stream); n below 2^63, 0 is an order of nothing. */
struct wf_order wf_order_of(uint64_t n, uint64_t seed, uint64_t stream);
/* The number at place i, which comes again at i + n. order->n > 0. */
uint64_t wf_order_at(const struct wf_order *order, uint64_t i);

#endif
