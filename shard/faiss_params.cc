// SPDX-License-Identifier: Apache-2.0
//
// faiss_params.cc - see faiss_params.h. The only C++ in the tree.
//
// IVF: an IndexIVF without a quantiser and without ids. Its inverted lists are a view of the code
// array; its scanner answers pairs of (list, place). The heap is the caller's, so a search goes on
// from chunk to chunk. search_preassigned would do the same inside an OpenMP region of one thread,
// which costs two futex calls, and count in statistics that all threads share.
//
// HNSW: faiss::HNSW over a distance computer that calls the scoring kernel, so a walk takes the
// same steps on every instruction set. Distances are minus our scores.
#include <algorithm>
#include <cfloat>
#include <cstring>
#include <memory>
#include <mutex>

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/utils/Heap.h>

// From GCC's runtime (omp.h is the compiler's own, and clang brings another runtime's).
extern "C" int omp_get_max_threads(void);
extern "C" void omp_set_num_threads(int);

extern "C" {
#include "base/bits.h"
#include "base/clock.h"
#include "shard/faiss_params.h"
}

namespace
{

using idx = faiss::Index::idx_t;

// The mapped code array as inverted lists; every writing call refuses.
struct MappedLists : faiss::InvertedLists {
    const unsigned char *data;
    const uint32_t *offsets;

    MappedLists(const wf_codes *codes, const uint32_t *lists, uint32_t n_lists)
        : faiss::InvertedLists(n_lists, codes->stride), data(codes->data), offsets(lists)
    {
    }
    size_t list_size(size_t l) const override
    {
        return offsets[l + 1] - offsets[l];
    }
    const uint8_t *get_codes(size_t l) const override
    {
        return data + offsets[l] * code_size;
    }
    const idx *get_ids(size_t /*list*/) const override
    {
        FAISS_THROW_MSG("mapped lists hold no ids");
    }
    size_t add_entries(size_t /*list*/, size_t /*n*/, const idx * /*ids*/,
                       const uint8_t * /*codes*/) override
    {
        FAISS_THROW_MSG("mapped lists are read-only");
    }
    void update_entries(size_t /*list*/, size_t /*at*/, size_t /*n*/, const idx * /*ids*/,
                        const uint8_t * /*codes*/) override
    {
        FAISS_THROW_MSG("mapped lists are read-only");
    }
    void resize(size_t /*list*/, size_t /*size*/) override
    {
        FAISS_THROW_MSG("mapped lists are read-only");
    }
};

// A walk was stopped by its deadline.
struct Stopped {
};

constexpr uint64_t CLOCK_EVERY = 256; // distances, a power of two

// Distance = minus the kernel's score; what is not a number is as far as can be.
struct KernelDistance : faiss::DistanceComputer {
    const wf_codes *codes;
    const float *vectors; // decoded rows while a graph is built, else null
    const float *query = nullptr;
    uint64_t compared = 0;
    int64_t deadline = INT64_MAX;

    KernelDistance(const wf_codes *c, const float *v) : codes(c), vectors(v)
    {
    }
    void set_query(const float *x) override
    {
        query = x;
    }
    float of(const float *x, idx i) const
    {
        float score;
        if (vectors == nullptr) {
            wf_score_rows(codes, x, nullptr, static_cast<uint32_t>(i), 1, &score);
        } else {
            const float *y = vectors + static_cast<size_t>(i) * codes->dim;
            score =
                codes->metric == WF_METRIC_L2 ? wf_l2(x, y, codes->dim) : wf_dot(x, y, codes->dim);
        }
        return score == score ? -score : FLT_MAX;
    }
    float operator()(idx i) override
    {
        if (++compared % CLOCK_EVERY == 0 && wf_now() >= deadline) {
            throw Stopped();
        }
        return of(query, i);
    }
    float symmetric_dis(idx i, idx j) override
    {
        return of(vectors + static_cast<size_t>(i) * codes->dim, j);
    }
};

struct AllowedRows : faiss::IDSelector {
    const uint64_t *bits;

    explicit AllowedRows(const uint64_t *b) : bits(b)
    {
    }
    bool is_member(idx row) const override
    {
        return wf_bit(bits, static_cast<uint32_t>(row));
    }
};

// What IndexHNSW::add wants of a storage: a count and a distance computer.
struct KernelStorage : faiss::Index {
    const wf_codes *codes;
    const float *vectors;

    KernelStorage(const wf_codes *c, const float *v)
        : faiss::Index(c->dim, faiss::METRIC_L2), codes(c), vectors(v)
    {
    }
    void add(idx n, const float * /*x*/) override
    {
        ntotal += n;
    }
    void search(idx /*n*/, const float * /*x*/, idx /*k*/, float * /*scores*/, idx * /*ids*/,
                const faiss::SearchParameters * /*params*/) const override
    {
        FAISS_THROW_MSG("storage is not searched");
    }
    void reset() override
    {
        ntotal = 0;
    }
    faiss::DistanceComputer *get_distance_computer() const override
    {
        return new KernelDistance(codes, vectors);
    }
};

template <typename F> wf_code guarded(wf_error *err, F body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return wf_fail(err, WF_EXHAUSTED, "faiss: out of memory");
    } catch (const std::exception &e) {
        return wf_fail(err, WF_INTERNAL, "faiss: %.200s", e.what());
    } catch (...) {
        return wf_fail(err, WF_INTERNAL, "faiss: unknown exception");
    }
}

} // namespace

struct shard_faiss {
    wf_codes codes;
    std::unique_ptr<faiss::IndexFlat> quantizer; // empty: IndexIVF asks it for its dimension
    std::unique_ptr<MappedLists> lists;
    std::unique_ptr<faiss::IndexIVF> ivf;
    std::unique_ptr<faiss::HNSW> graph; // of a mapped graph: made by the first search
    shard_graph mapped = {};
    mutable std::once_flag filled;
};

namespace
{

std::unique_ptr<faiss::IndexIVF> make_ivf(faiss::Index *quantizer, const wf_codes *codes,
                                          uint32_t n_lists)
{
    const uint32_t d = wf_padded_dim(codes->dim);
    const faiss::MetricType metric =
        codes->metric == WF_METRIC_L2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    if (codes->codec == WF_CODEC_FLOAT32) {
        return std::make_unique<faiss::IndexIVFFlat>(quantizer, d, n_lists, metric);
    }
    const auto type = codes->codec == WF_CODEC_FP16 ? faiss::ScalarQuantizer::QT_fp16
                                                    : faiss::ScalarQuantizer::QT_8bit;
    auto ix = std::make_unique<faiss::IndexIVFScalarQuantizer>(quantizer, d, n_lists, type, metric,
                                                               false);
    if (codes->codec == WF_CODEC_SQ8) { // smallest values, then spans; padding decodes to 0
        ix->sq.trained.assign(2 * static_cast<size_t>(d), 0.0f);
        for (uint32_t i = 0; i < codes->dim; i++) {
            ix->sq.trained[i] = codes->min[i];
            ix->sq.trained[d + i] = codes->step[i] * 255.0f;
        }
    }
    return ix;
}

wf_code damaged(wf_error *err, const char *what, long long have, long long most)
{
    return wf_fail(err, WF_DATA_LOSS, "graph: %s is %lld, limit is %lld", what, have, most);
}

wf_code check_levels(const shard_graph *g, const faiss::HNSW &h, wf_error *err)
{
    const long long most = static_cast<long long>(h.cum_nneighbor_per_level.size()) - 1;
    size_t total = 0;
    for (uint32_t i = 0; i < g->n; i++) {
        if (g->levels[i] < 1 || g->levels[i] > most) {
            return damaged(err, "number of levels", g->levels[i], most);
        }
        total += static_cast<size_t>(h.cum_nneighbor_per_level[static_cast<size_t>(g->levels[i])]);
    }
    if (total != g->n_adjacent) {
        return damaged(err, "number of links", static_cast<long long>(g->n_adjacent),
                       static_cast<long long>(total));
    }
    if (g->entry < 0 || g->entry >= static_cast<int64_t>(g->n)) {
        return damaged(err, "entry row", g->entry, static_cast<long long>(g->n) - 1);
    }
    if (g->top != g->levels[g->entry] - 1) {
        return damaged(err, "top level", g->top, g->levels[g->entry] - 1);
    }
    return WF_OK;
}

// A link on a level must lead to a row that has that level; -1 is none.
bool link_fits(const shard_graph *g, int32_t link, int level)
{
    return link == -1 ||
           (link >= 0 && link < static_cast<int64_t>(g->n) && g->levels[link] > level);
}

wf_code check_links(const shard_graph *g, const faiss::HNSW &h, wf_error *err)
{
    const int32_t *at = g->adjacent;
    for (uint32_t i = 0; i < g->n; i++) {
        for (int level = 0; level < g->levels[i]; level++) {
            const int32_t *end = at + h.nb_neighbors(level);
            at = std::find_if(at, end, [&](int32_t link) { return !link_fits(g, link, level); });
            if (at != end) {
                return damaged(err, "linked row", *at, static_cast<long long>(g->n) - 1);
            }
        }
    }
    return WF_OK;
}

void fill_graph(const shard_graph *g, faiss::HNSW *h)
{
    h->levels.assign(g->levels, g->levels + g->n);
    h->neighbors.assign(g->adjacent, g->adjacent + g->n_adjacent);
    h->offsets.resize(static_cast<size_t>(g->n) + 1);
    for (uint32_t i = 0; i < g->n; i++) {
        h->offsets[i + 1] = h->offsets[i] + static_cast<size_t>(h->cum_nb_neighbors(g->levels[i]));
    }
    h->entry_point = g->entry;
    h->max_level = g->top;
}

} // namespace

extern "C" {

void shard_faiss_close(shard_faiss *ix)
{
    delete ix;
}

int shard_faiss_threads(int n)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(n);
    return before;
}

wf_code shard_faiss_ivf_open(const wf_codes *codes, const uint32_t *lists, uint32_t n_lists,
                             shard_faiss **out, wf_error *err)
{
    return guarded(err, [&] {
        auto ix = std::make_unique<shard_faiss>();
        ix->codes = *codes;
        ix->lists = std::make_unique<MappedLists>(codes, lists, n_lists);
        ix->quantizer = std::make_unique<faiss::IndexFlat>(wf_padded_dim(codes->dim));
        ix->ivf = make_ivf(ix->quantizer.get(), codes, n_lists);
        if (ix->ivf->code_size != codes->stride) {
            return wf_fail(err, WF_INTERNAL, "faiss reads %zu bytes a row, the codes have %zu",
                           ix->ivf->code_size, codes->stride);
        }
        ix->ivf->replace_invlists(ix->lists.get(), false);
        ix->ivf->ntotal = lists[n_lists];
        ix->ivf->is_trained = true;
        *out = ix.release();
        return WF_OK;
    });
}

void shard_faiss_heap_init(const shard_faiss *ix, shard_faiss_heap *heap)
{
    if (ix->codes.metric == WF_METRIC_L2) {
        faiss::heap_heapify<faiss::CMax<float, int64_t>>(heap->k, heap->distances, heap->ids);
    } else {
        faiss::heap_heapify<faiss::CMin<float, int64_t>>(heap->k, heap->distances, heap->ids);
    }
}

float shard_faiss_heap_worst(const shard_faiss *ix, const shard_faiss_heap *heap)
{
    return ix->codes.metric == WF_METRIC_L2 ? -heap->distances[0] : heap->distances[0];
}

wf_code shard_faiss_ivf_scan(const shard_faiss *ix, const float *query, const int64_t *lists,
                             uint32_t n_lists, shard_faiss_heap *heap, wf_error *err)
{
    return guarded(err, [&] {
        const std::unique_ptr<faiss::InvertedListScanner> scanner(
            ix->ivf->get_InvertedListScanner(true));
        scanner->set_query(query);
        for (uint32_t i = 0; i < n_lists; i++) {
            const auto list = static_cast<size_t>(lists[i]);
            scanner->set_list(lists[i], 0); // the distance to the centroid: for residuals alone
            scanner->scan_codes(ix->lists->list_size(list), ix->lists->get_codes(list), nullptr,
                                heap->distances, heap->ids, heap->k);
        }
        return WF_OK;
    });
}

wf_code shard_faiss_graph_build(const wf_codes *codes, const float *vectors, uint32_t n,
                                uint32_t links, shard_faiss **out, wf_error *err)
{
    const int threads = shard_faiss_threads(1);
    const wf_code code = guarded(err, [&] {
        KernelStorage storage(codes, vectors);
        faiss::IndexHNSW builder(&storage, static_cast<int>(links));
        builder.add(n, vectors);
        auto ix = std::make_unique<shard_faiss>();
        ix->codes = *codes;
        ix->graph = std::make_unique<faiss::HNSW>(std::move(builder.hnsw));
        *out = ix.release();
        return WF_OK;
    });
    omp_set_num_threads(threads);
    return code;
}

void shard_faiss_graph_get(const shard_faiss *ix, shard_graph *out)
{
    if (ix->mapped.levels != nullptr) {
        *out = ix->mapped;
        return;
    }
    const faiss::HNSW &h = *ix->graph;
    *out = {};
    out->n = static_cast<uint32_t>(h.levels.size());
    out->links = static_cast<uint32_t>(h.nb_neighbors(1));
    out->entry = h.entry_point;
    out->top = h.max_level;
    out->levels = h.levels.data();
    out->adjacent = h.neighbors.data();
    out->n_adjacent = h.neighbors.size();
}

wf_code shard_faiss_graph_check(const shard_graph *graph, wf_error *err)
{
    return guarded(err, [&] {
        const faiss::HNSW shape(static_cast<int>(graph->links));
        const wf_code code = check_levels(graph, shape, err);
        return code == WF_OK ? check_links(graph, shape, err) : code;
    });
}

wf_code shard_faiss_graph_open(const wf_codes *codes, const shard_graph *graph, shard_faiss **out,
                               wf_error *err)
{
    return guarded(err, [&] {
        auto ix = std::make_unique<shard_faiss>();
        ix->codes = *codes;
        ix->graph = std::make_unique<faiss::HNSW>(static_cast<int>(graph->links));
        ix->mapped = *graph;
        *out = ix.release();
        return WF_OK;
    });
}

// FAISS keeps its results in the caller's arrays, so they outlast a walk that is stopped.
wf_code shard_faiss_graph_search(const shard_faiss *ix, shard_walk *walk, wf_error *err)
{
    return guarded(err, [&] {
        if (ix->mapped.levels != nullptr) {
            std::call_once(ix->filled, fill_graph, &ix->mapped, ix->graph.get());
        }
        KernelDistance distance(&ix->codes, nullptr);
        distance.set_query(walk->query);
        distance.deadline = walk->deadline;
        faiss::VisitedTable visited(static_cast<int>(ix->graph->levels.size()));
        AllowedRows allowed(walk->allowed);
        faiss::SearchParametersHNSW params;
        params.efSearch = static_cast<int>(walk->ef);
        params.sel = walk->allowed == nullptr ? nullptr : &allowed;
        std::fill(walk->ids, walk->ids + walk->ef, -1);
        walk->stopped = false;
        try {
            ix->graph->search(distance, static_cast<int>(walk->ef), walk->ids, walk->scores,
                              visited, &params);
        } catch (const Stopped &) {
            walk->stopped = true;
        }
        for (uint32_t i = 0; i < walk->ef; i++) {
            walk->scores[i] = -walk->scores[i];
        }
        walk->compared = distance.compared;
        return WF_OK;
    });
}

} // extern "C"
