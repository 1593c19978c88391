/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_eval.h - the rows that a filter's tree lets through. Private to shard/filter*.c.
 */
#ifndef SHARD_FILTER_EVAL_H
#define SHARD_FILTER_EVAL_H

#include <stdint.h>

#include "base/filter.h"

struct shard;

/*
 * Fills bits, wf_bits_words(rows) of them, with the shard's rows that match and returns how many.
 * The tree is one that wf_filter_parse made for the shard's schema. Pure; thread-safe. Takes some
 * bitmaps of memory while it works: two for each level of the tree at most.
 */
uint32_t shard_filter_eval(const struct shard *s, const struct wf_filter_node *root,
                           uint64_t *bits);

#endif
