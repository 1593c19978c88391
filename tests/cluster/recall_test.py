# SPDX-License-Identifier: Apache-2.0
"""Recall@10 of the whole cluster with the default index, on real catalogs: at least 0.95 with at most 10 % compared.

Truth is `exact` over the stored vectors of the same cluster; a hit counts when its score is at least the tenth best
minus 1e-6 x max(1, |that|), because equal vectors are the rule in these data.
"""
import gzip
import random
import struct
import unittest

from cluster import SHARED, Cluster, generation, scratch, weft

K = 10
QUERIES = 200
SEED = 11


def fvecs(path):
    """Rows of a gzipped .fvecs file."""
    raw = gzip.open(path).read()
    (dim,) = struct.unpack_from("<i", raw, 0)
    step = 4 + 4 * dim
    return [raw[at + 4 : at + step] for at in range(0, len(raw), step)]


class Recall(unittest.TestCase):
    def setUp(self):
        print(f"seed={SEED}", flush=True)
        if not SHARED.is_dir():
            self.skipTest(f"{SHARED} is not there")

    def check(self, name, file, ids):
        data = scratch() / name
        weft("import", "vectors", SHARED / file, "--ids", SHARED / ids, "--space", "real", "--metric", "cosine",
             "--out", data)
        rows = fvecs(SHARED / file)
        names = gzip.open(SHARED / ids, "rt", encoding="utf-8").read().splitlines()
        picks = random.Random(SEED).sample(range(len(rows)), QUERIES)
        with Cluster(generation(ranker=False, data=data)) as cluster, cluster.stub() as (pb, service):
            def by_item(i, exact):
                return service.Recommend(pb.RecommendRequest(
                    items={"skus": [names[i]]}, surface="similar_raw", k=K, exact=exact), timeout=10)

            def by_vector(i, exact):
                values = struct.unpack(f"<{len(rows[i]) // 4}f", rows[i])
                moved = [v + 0.02 * random.Random(i * 1000 + j).gauss(0, 1) for j, v in enumerate(values)]
                return service.Recommend(pb.RecommendRequest(
                    vector={"values": moved}, surface="for_you_raw", k=K, exact=exact), timeout=10)

            for how, ask in (("similar_raw", by_item), ("for_you_raw --vector", by_vector)):
                found = scanned = 0
                for i in picks:
                    truth, answer = ask(i, True), ask(i, False)
                    last = truth.hits[-1].score
                    floor = last - 1e-6 * max(1, abs(last))
                    found += sum(hit.score >= floor for hit in answer.hits)
                    scanned += answer.coverage.scanned / len(rows)
                recall, share = found / (K * QUERIES), scanned / QUERIES
                print(f"{name}, {how}: recall@{K} {recall:.4f}, scanned {share:.4f}", flush=True)
                self.assertGreaterEqual(recall, 0.95)
                self.assertLessEqual(share, 0.10)

    def test_fashion(self):
        self.check("fashion", "fashion-product-images/sku_glove100d.fvecs.gz",
                   "fashion-product-images/sku_glove100d.ids.txt.gz")

    def test_words(self):
        self.check("words", "glove-wink-100d/words100d.fvecs.gz", "glove-wink-100d/words.txt.gz")


if __name__ == "__main__":
    unittest.main(verbosity=2)
