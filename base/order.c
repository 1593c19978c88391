/* SPDX-License-Identifier: Apache-2.0
 *
 * order.c - see order.h. The step is small enough that n * step does not wrap, which would break
 * the promise of no repeats.
 */
#include "base/order.h"

#include "base/error.h"
#include "base/hash.h"

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

struct wf_order wf_order_of(uint64_t n, uint64_t seed, uint64_t stream)
{
    wf_assert(n < UINT64_C(1) << 63);
    struct wf_order order = {.n = n, .step = 1};
    if (n == 0) {
        return order;
    }
    const uint64_t most = UINT64_MAX / n - 1 < n ? UINT64_MAX / n - 1 : n;
    struct wf_random r = wf_random_of(seed, stream);
    order.first = wf_random_below(&r, n);
    do {
        order.step = 1 + wf_random_below(&r, most);
    } while (gcd(order.step, n) != 1);
    return order;
}

uint64_t wf_order_at(const struct wf_order *order, uint64_t i)
{
    return (i % order->n * order->step + order->first) % order->n;
}
