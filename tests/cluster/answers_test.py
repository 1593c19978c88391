# SPDX-License-Identifier: Apache-2.0
"""What the cluster answers: the same for every shard count, replica and instruction set; honest when parts are gone."""
import json
import os
import signal
import struct
import unittest

from cluster import Cluster, dataset, generation, hits, lines, read_npy, skus_of, unit, wait_gone, weft, write_vector


def user_of(i):
    """The i-th user that bought something."""
    return list(dict.fromkeys(line.split("\t")[0] for line in lines(dataset(), "interactions.tsv")[1:]))[i]


class SameAnswers(unittest.TestCase):
    def ask_all(self, cluster):
        """One question of each kind; lists of (sku, score)."""
        skus = skus_of(dataset())
        return [
            hits(cluster.query("--items", skus[5], "--k", 20)),
            hits(cluster.query("--items", f"{skus[1]},{skus[2]}", "--k", 20, "--surface", "similar_raw")),
            hits(cluster.query("--session", ",".join(skus[10:14]), "--k", 20)),
            hits(cluster.query("--user", user_of(1), "--k", 20)),
            hits(cluster.query("--surface", "trending", "--k", 20)),
            hits(cluster.query("--items", skus[5], "--k", 20, "--filter", "price < 90 and not in_stock",
                               "--group-by", "brand:2", "--exclude", skus[6])),
            hits(cluster.query("--user", user_of(1), "--k", 20, "--dislike", skus[9], "--target-recall", 0.95)),
            hits(cluster.query("--user", user_of(1), "--k", 20, "--dislike", f"{skus[9]},{skus[11]}",
                               "--dislike-mode", "best-minus-worst")),
        ]

    def test_exact_is_brute_force_for_any_shard_count(self):
        skus = skus_of(dataset())
        wanted = None
        for shards in range(1, 9):
            with Cluster(generation(shards=shards, ranker=False)) as cluster:
                got = hits(cluster.query("--items", skus[3], "--k", 100, "--surface", "similar_raw", "--exact"))
            self.assertEqual(len(got), 100)
            self.assertEqual(got, sorted(got, key=lambda hit: (-hit[1], hit[0].encode())))
            wanted = wanted or got
            self.assertEqual(got, wanted, f"{shards} shards")

    def test_exact_agrees_with_the_definition(self):
        data = dataset()
        skus = skus_of(data)
        vectors = [unit(row) for row in read_npy(next((data / "spaces").glob("*.npy")))]
        query = vectors[11]
        stored = [struct.unpack(f"<{len(v)}e", struct.pack(f"<{len(v)}e", *v)) for v in vectors]
        scores = {sku: sum(a * b for a, b in zip(row, query)) for sku, row in zip(skus, stored)}
        best = sorted(scores.values(), reverse=True)[:50]
        with Cluster(generation(ranker=False)) as cluster:
            file = write_vector("query.tsv", query)
            got = hits(cluster.query("--vector", file, "--k", 50, "--surface", "for_you_raw", "--exact"))
        self.assertEqual(len(got), 50)
        for (sku, score), want in zip(got, best):
            self.assertAlmostEqual(score, want, delta=1e-5)
            self.assertAlmostEqual(score, scores[sku], delta=1e-5)

    def test_replicas_threads_instruction_sets_and_repetition_give_equal_bits(self):
        gen = generation()
        wanted = None
        variants = [{}, {"WEFT_SEARCH__SIMD": "c"}, {"WEFT_SEARCH__SIMD": "avx2"}, {"WEFT_SEARCH__SIMD": "avx512"},
                    {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F"}]
        for env in variants:
            with Cluster(gen, "--replicas", 2, env=env) as cluster:
                for _ in range(2):
                    got = self.ask_all(cluster)
                    wanted = wanted or got
                    self.assertEqual(got, wanted, env)


class Degradation(unittest.TestCase):
    def test_a_dead_shard_gives_a_flagged_partial_answer(self):
        skus = skus_of(dataset())
        with Cluster(generation()) as cluster:
            whole = cluster.query("--items", skus[0], "--k", 20)
            self.assertEqual(whole["coverage"]["ratio"], 1.0)
            self.assertEqual(whole["degraded"], [])
            (pid,) = cluster.pids(1)
            os.kill(pid, signal.SIGKILL)
            wait_gone(pid)
            partial = cluster.query("--user", user_of(0), "--k", 20)
            self.assertIn("SHARD_DOWN", partial["degraded"])
            states = {s["shard"]: s["state"] for s in partial["coverage"]["shards"]}
            self.assertEqual(states[1], "down")
            self.assertEqual(partial["coverage"]["documents"], 3000)
            self.assertTrue(0.5 < partial["coverage"]["ratio"] < 0.8)
            self.assertEqual(len(partial["hits"]), 20)
            refusal = cluster.query("--user", user_of(0), "--min-coverage", "0.9", code=3)
            self.assertIn("MIN_COVERAGE", refusal)
            cluster.stop(code=None)

    def test_a_hung_shard_costs_the_deadline_at_most(self):
        with Cluster(generation()) as cluster:
            (pid,) = cluster.pids(2)
            os.kill(pid, signal.SIGSTOP)
            try:
                answer = cluster.query("--user", user_of(0), "--k", 10, "--timeout-ms", 300)
            finally:
                os.kill(pid, signal.SIGCONT)
            states = {s["shard"]: s["state"] for s in answer["coverage"]["shards"]}
            self.assertEqual(states[2], "timeout")
            self.assertLess(answer["timings_us"]["total"], 300_000)
            self.assertIn("SHARD_TIMEOUT", answer["degraded"])

    def test_a_second_replica_takes_over(self):
        with Cluster(generation(), "--replicas", 2) as cluster:
            pid = cluster.pids(0)[0]
            os.kill(pid, signal.SIGKILL)
            wait_gone(pid)
            for _ in range(6):
                answer = cluster.query("--user", user_of(0), "--k", 10)
                self.assertEqual(answer["coverage"]["ratio"], 1.0)
                self.assertEqual(answer["degraded"], [])
            cluster.stop(code=None)

    def test_an_unknown_user_gets_what_is_popular(self):
        with Cluster(generation()) as cluster:
            answer = cluster.query("--user", "nobody-knows", "--k", 10)
            self.assertEqual(answer["fallback"], "popularity")
            self.assertIn("UNKNOWN_SUBJECT", answer["degraded"])
            self.assertEqual(len(answer["hits"]), 10)


class WholeAnswer(unittest.TestCase):
    def test_every_field_of_the_contract_is_there(self):
        skus = skus_of(dataset())
        with Cluster(generation()) as cluster:
            answer = cluster.query("--items", skus[0], "--k", 5, "--explain")
            self.assertLessEqual(
                {"request_id", "hits", "coverage", "degraded", "versions", "timings_us", "fallback"}, set(answer))
            self.assertLessEqual({"generation", "model", "rules", "space"}, set(answer["versions"]))
            self.assertLessEqual(
                {"queue", "resolve", "gather", "merge", "rank", "diversify", "total"}, set(answer["timings_us"]))
            for position, hit in enumerate(answer["hits"], 1):
                self.assertLessEqual(
                    {"sku", "score", "retrieval_score", "rank_score", "rank", "attributes", "contributions"}, set(hit))
                self.assertEqual(hit["rank"], position)
                self.assertNotEqual(hit["sku"], skus[0])
            for shard in answer["coverage"]["shards"]:
                self.assertLessEqual(
                    {"shard", "replica", "state", "documents", "scanned", "micros", "hedged", "generation"}, set(shard))

    def test_bench_sends_what_it_says(self):
        with Cluster(generation()) as cluster:
            for surface in ("for_you", "similar"):
                done = weft("bench", "--target", cluster.target, "--rate", 50, "--seconds", 2,
                            "--surface", surface, "--k", 10, "--rank-limit", 50, "--json")
                self.assertEqual(done.stderr, "")
                report = json.loads(done.stdout)
                self.assertEqual(report["sent"], 100)
                self.assertEqual(report["refused"] + report["late"] + report["errors"], 0)
                self.assertEqual(report["coverage_min"], 1.0)
                self.assertAlmostEqual(report["offered_qps"], 50, delta=1)
                self.assertAlmostEqual(report["achieved_qps"], 50, delta=10)
                latency = [report["latency_us"][q] for q in ("p50", "p90", "p99", "p999", "max")]
                self.assertEqual(latency, sorted(latency))
                self.assertGreater(latency[0], 0)
                self.assertGreater(report["search_us_per_query"], 0)
                used = report["cpu_us_per_query"]
                self.assertTrue(0 < used["coordinator"] < 100_000)
                self.assertTrue(0 < used["shards"] < 100_000)
                self.assertEqual([p["shard"] for p in report["processes"]], [0, 1, 2])

    def test_bench_says_why_it_cannot(self):
        with Cluster(generation()) as cluster:
            target = cluster.target
        self.assertIn(target, weft("bench", "--target", target, "--seconds", 1, code=6).stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
