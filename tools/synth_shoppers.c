/* SPDX-License-Identifier: Apache-2.0
 *
 * synth_shoppers.c - purchases out of taste, price, popularity and recency.
 *
 * Every shopper has a random stream of its own and writes into the text of its chunk; chunks are
 * written in order, so the file is the same for any number of threads. How many purchases each
 * shopper makes is a log-normal share of the whole, cut at integers so that the sum is exact.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/pool.h"
#include "base/vector.h"
#include "tools/progress.h"
#include "tools/synth.h"

enum { FAVOURITES = 4, LOOKS = 24, RECENT = 32, TRIES = 6 };
enum { CHUNK = 64, CHUNKS = 64, SECONDS_PER_DAY = 86400 };
static const size_t block_size = (size_t)CHUNK * CHUNKS; /* shoppers between two writes */
enum { FOR_ACTIVITY = 200, FOR_SHOPPERS = 201 };

/* Weights of what moves a shopper, in units of the logit. */
static const double by_taste = 6.0, by_price = 1.2, by_brand = 0.9, by_colour = 0.5, by_news = 1.0;
static const double news_days = 60, change_of_mind = 0.06, stray = 0.2;

struct shopper {
    const struct tool_market *market;
    struct wf_random random;
    uint32_t groups[FAVOURITES], brands[FAVOURITES], colours[FAVOURITES];
    double log_price; /* NaN = prices are not known */
    float *taste;     /* NULL without vectors */
    float *seen;      /* room for one vector */
    uint64_t recent[RECENT];
    unsigned n_recent;
};

/* The item's direction into s->seen; false when it has none. */
static bool look_at(struct shopper *s, uint64_t item)
{
    return s->taste && s->market->vector(s->market->ctx, item, s->seen) &&
           wf_normalise(s->seen, s->market->dim);
}

/* Moves the taste towards an item: taste = normalised(keep * taste + (1 - keep) * direction). */
static void lean(struct shopper *s, uint64_t item, float keep)
{
    if (!look_at(s, item)) {
        return;
    }
    for (uint32_t j = 0; j < s->market->dim; j++) {
        s->taste[j] = keep * s->taste[j] + (1 - keep) * s->seen[j];
    }
    wf_normalise(s->taste, s->market->dim);
}

static uint32_t any_group(struct shopper *s)
{
    return tool_synth_pick(s->market->group_cumulative, s->market->n_groups,
                           wf_random_unit(&s->random));
}

/* A new favourite in place k: a group, and with it an item whose brand and colour are liked. */
static void adopt(struct shopper *s, unsigned k, float keep)
{
    struct tool_good good;
    s->groups[k] = any_group(s);
    const uint64_t item = s->market->draw(s->market->ctx, s->groups[k], wf_random_unit(&s->random));
    s->market->look(s->market->ctx, item, &good);
    s->brands[k] = good.brand;
    s->colours[k] = good.colour;
    if (good.price > 0) {
        const double log_price = log((double)good.price);
        s->log_price = isnan(s->log_price) ? log_price : 0.7 * s->log_price + 0.3 * log_price;
    }
    lean(s, item, keep);
}

static bool likes(const uint32_t *liked, uint32_t code)
{
    for (unsigned k = 0; k < FAVOURITES && code != UINT32_MAX; k++) {
        if (liked[k] == code) {
            return true;
        }
    }
    return false;
}

static bool bought_lately(const struct shopper *s, uint64_t item)
{
    const unsigned n = s->n_recent < RECENT ? s->n_recent : RECENT;
    for (unsigned i = 0; i < n; i++) {
        if (s->recent[i] == item) {
            return true;
        }
    }
    return false;
}

static double utility(struct shopper *s, uint64_t item, const struct tool_good *good, double day)
{
    double u = 0;
    if (look_at(s, item)) {
        u += by_taste * (double)wf_dot(s->taste, s->seen, s->market->dim);
    }
    u += likes(s->brands, good->brand) ? by_brand : 0;
    u += likes(s->colours, good->colour) ? by_colour : 0;
    if (good->price > 0 && !isnan(s->log_price)) {
        u -= by_price * fabs(log((double)good->price) - s->log_price);
    }
    if (good->launch_day <= (float)day) {
        u += by_news * exp(-(day - (double)good->launch_day) / news_days);
    }
    return u;
}

static uint32_t choose_group(struct shopper *s)
{
    if (wf_random_unit(&s->random) < stray) {
        return any_group(s);
    }
    const double u = wf_random_unit(&s->random); /* 1/2, 1/4, 1/8 and the rest */
    return s->groups[u < 0.5 ? 0 : u < 0.75 ? 1 : u < 0.875 ? 2 : 3];
}

/* One purchase on `day`: the best of a few looks under Gumbel noise, which is a softmax draw. */
static uint64_t choose(struct shopper *s, double day, struct tool_good *out)
{
    uint64_t best = 0;
    bool found = false;
    for (unsigned attempt = 0; attempt < TRIES && !found; attempt++) {
        const uint32_t group = choose_group(s);
        double highest = -INFINITY;
        for (unsigned i = 0; i < LOOKS; i++) {
            struct tool_good good;
            const uint64_t item =
                s->market->draw(s->market->ctx, group, wf_random_unit(&s->random));
            const double noise = -log(-log(wf_random_unit(&s->random) * (1 - 1e-12) + 1e-13));
            s->market->look(s->market->ctx, item, &good);
            const bool too_early = good.launch_day > (float)day;
            if ((too_early || bought_lately(s, item)) && attempt + 1 < TRIES) {
                continue;
            }
            const double u = utility(s, item, &good, day) + noise;
            if (u > highest) {
                highest = u;
                best = item;
                *out = good;
                found = true;
            }
        }
    }
    return best;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Moments of n purchases, rising; each shopper joins at a time of its own. */
static int64_t *make_times(struct shopper *s, uint64_t n)
{
    const struct tool_market *market = s->market;
    const double span = (double)(market->last_day - market->first_day) * SECONDS_PER_DAY;
    const double joined = 0.7 * span * wf_random_unit(&s->random);
    int64_t *times = wf_xarray(int64_t, n);
    for (uint64_t i = 0; i < n; i++) {
        const double at = joined + (span - joined) * wf_random_unit(&s->random);
        times[i] = market->first_day * SECONDS_PER_DAY + (int64_t)at;
    }
    qsort(times, n, sizeof *times, compare_times);
    return times;
}

static void shop(const struct tool_market *market, uint64_t seed, uint64_t user, uint64_t n,
                 struct tool_text *out)
{
    struct shopper s = {.market = market,
                        .random = wf_random_of(seed, user),
                        .log_price = (double)NAN,
                        .taste = market->vector ? wf_xarray(float, market->dim) : NULL,
                        .seen = market->vector ? wf_xarray(float, market->dim) : NULL};
    for (unsigned k = 0; k < FAVOURITES; k++) {
        adopt(&s, k, k ? 0.75F : 0);
    }
    s.log_price += 0.3 * wf_random_normal(&s.random);
    int64_t *times = make_times(&s, n);
    for (uint64_t i = 0; i < n; i++) {
        struct tool_good good = {.price = NAN};
        char sku[WF_SKU_MAX + 1];
        if (wf_random_unit(&s.random) < change_of_mind) {
            adopt(&s, (unsigned)wf_random_below(&s.random, FAVOURITES), 0.7F);
        }
        const uint64_t item = choose(&s, (double)times[i] / SECONDS_PER_DAY, &good);
        s.recent[s.n_recent++ % RECENT] = item;
        lean(&s, item, 0.9F);
        market->name(market->ctx, item, sku);
        tool_text_printf(out, "u%08llu\t%s\t%s\t%lld\t", (unsigned long long)user, sku,
                         tool_event_purchase, (long long)times[i]);
        if (good.price > 0) {
            tool_text_float(out, good.price);
        }
        tool_text_char(out, '\n');
    }
    wf_xfree(times);
    wf_xfree(s.taste);
    wf_xfree(s.seen);
}

/* ---- all of them ---- */

struct work {
    const struct tool_market *market;
    uint64_t seed, first; /* user of the block's begin */
    const uint64_t *bounds;
    struct tool_text texts[CHUNKS];
};

static void shop_chunk(void *ctx, size_t begin, size_t end, unsigned thread)
{
    struct work *w = ctx;
    (void)thread;
    struct tool_text *text = &w->texts[begin / CHUNK];
    tool_text_clear(text);
    for (uint64_t user = w->first + begin; user < w->first + end; user++) {
        const uint64_t n = w->bounds[user + 1] - w->bounds[user];
        if (n > 0) {
            shop(w->market, w->seed, user, n, text);
        }
    }
}

/* bounds[u] = purchases of all shoppers before u; bounds[users] = events. */
static uint64_t *make_bounds(const struct tool_shoppers *who)
{
    const uint64_t seed = tool_synth_seed(who->seed, FOR_ACTIVITY);
    double *shares = wf_xarray(double, who->users + 1);
    uint64_t *bounds = wf_xarray(uint64_t, who->users + 1);
    for (uint64_t u = 0; u < who->users; u++) {
        struct wf_random r = wf_random_of(seed, u);
        shares[u + 1] = shares[u] + exp(wf_random_normal(&r));
    }
    for (uint64_t u = 1; u < who->users; u++) {
        bounds[u] = (uint64_t)(shares[u] / shares[who->users] * (double)who->events);
    }
    bounds[who->users] = who->events;
    wf_xfree(shares);
    return bounds;
}

enum wf_code tool_shoppers_write(const struct tool_market *market, const struct tool_shoppers *who,
                                 struct wf_writer *to, struct wf_error *err)
{
    if (who->events > 0 && who->users == 0) {
        return wf_fail(err, WF_INVALID, "%llu events of 0 users", (unsigned long long)who->events);
    }
    wf_writer_put(to, tool_events_header, strlen(tool_events_header));
    if (who->users == 0) {
        return WF_OK;
    }
    struct work *w = wf_xarray(struct work, 1);
    uint64_t *bounds = make_bounds(who);
    w->market = market;
    w->seed = tool_synth_seed(who->seed, FOR_SHOPPERS);
    w->bounds = bounds;
    struct tool_progress progress;
    tool_progress_init(&progress, "simulating", "events", who->events);
    for (w->first = 0; w->first < who->users; w->first += block_size) {
        const uint64_t rest = who->users - w->first;
        const size_t n = rest < block_size ? (size_t)rest : block_size;
        wf_parallel(who->threads, n, CHUNK, shop_chunk, w);
        for (size_t c = 0; c * CHUNK < n; c++) {
            wf_writer_put(to, w->texts[c].data, w->texts[c].size);
        }
        tool_progress_at(&progress, bounds[w->first + n]);
    }
    tool_progress_end(&progress, who->events);
    for (size_t c = 0; c < CHUNKS; c++) {
        tool_text_fini(&w->texts[c]);
    }
    wf_xfree(bounds);
    wf_xfree(w);
    return WF_OK;
}
