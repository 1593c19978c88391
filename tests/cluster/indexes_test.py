# SPDX-License-Identifier: Apache-2.0
"""Indexes that a build is told to make or chooses by itself, served by the shipped programs."""
import re
import unittest

from cluster import Cluster, dataset, generation, scratch, weft

INDEXES = ("IVF16,PQx4fs,Refine(SQ8)", "IVF16,PQ12x4fs,Refine(SQfp16)")


class Indexes(unittest.TestCase):
    def test_a_compressed_first_pass_answers_as_comparing_does(self):
        for index in INDEXES:
            with Cluster(generation(shards=2, index=index, ranker=False)) as cluster:
                found = due = 0
                for user in range(1, 21):
                    ask = ("--user", f"u{user}", "--surface", "for_you_raw", "--k", 10)
                    answer = {hit["sku"] for hit in cluster.query(*ask)["hits"]}
                    truth = {hit["sku"] for hit in cluster.query(*ask, "--exact")["hits"]}
                    found, due = found + len(answer & truth), due + len(truth)
                print(f"{index}: {found} of {due}", flush=True)
                self.assertGreaterEqual(found, 0.9 * due)

    def test_what_cannot_be_packed_says_what_can(self):
        def refused(index):
            return weft("build", "--input", dataset(), "--index", index, "--out", scratch() / "none", code=2).stderr

        self.assertIn("Refine", refused("IVF16,PQ12x4fs"))
        error = weft("build", "--input", dataset(), "--index", "IVF16,PQ10x4fs,Refine(SQ8)", "--out",
                     scratch() / "none", code=5).stderr
        self.assertIn("PQ12x4fs", error)
        self.assertFalse((scratch() / "none").exists())

    def test_auto_tries_and_takes_one(self):
        out = scratch() / "gen-auto"
        done = weft("build", "--input", dataset(), "--shards", 2, "--index", "auto", "--recall", 0.9, "--out", out)
        table = re.findall(r"^(\S+) +([01]\.\d+) +([\d.]+) +([\d.]+)(.*)$", done.stderr, re.M)
        self.assertEqual(len(table), 6, done.stderr)
        taken = [row[0] for row in table if "taken" in row[4]]
        self.assertEqual(len(taken), 1, done.stderr)
        weft("verify", out)
        for shard in range(2):
            text = (out / f"shard-{shard:03}" / "shard.weft").read_bytes()
            self.assertEqual(text.count(b'"chosen":true'), 1)
            self.assertEqual(text.count(b'"chosen":false'), 5)
        with Cluster(out) as cluster:
            self.assertEqual(len(cluster.query("--user", "u1", "--surface", "for_you_raw", "--k", 10)["hits"]), 10)

    def test_auto_says_when_nothing_fits(self):
        error = weft("build", "--input", dataset(), "--index", "auto", "--memory", 1000, "--out",
                     scratch() / "none", code=1).stderr
        self.assertRegex(error, r"--index auto: \S+ takes \d+ bytes for 3000 rows, the limit is 1000")
        self.assertFalse((scratch() / "none").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
