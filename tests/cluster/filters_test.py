# SPDX-License-Identifier: Apache-2.0
"""Filters, exclusions, groups and dislikes, against plain Python over the whole catalog."""
import functools
import json
import os
import shutil
import struct
import sys
import time
import unittest
from random import Random

import grpc

from cluster import (Cluster, dataset, generation, lines, read_npy, scratch, skus_of, status_details, unit, weft,
                     write_vector)


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


@functools.lru_cache(maxsize=None)
def holey():
    """The synthetic shop with values missing here and there."""
    out = scratch() / "holey"
    shutil.copytree(dataset(), out)
    items = [json.loads(line) for line in lines(out, "items.jsonl")]
    for old in out.glob("items.jsonl*"):
        old.unlink()
    with open(out / "items.jsonl", "w", encoding="utf-8") as file:
        for i, item in enumerate(items):
            for name, every in (("colour", 5), ("price", 7), ("in_stock", 11), ("brand", 4)):
                if i % every == 0:
                    del item[name]
            file.write(json.dumps(item) + "\n")
    return out


@functools.lru_cache(maxsize=None)
def catalog():
    items = [json.loads(line) for line in lines(holey(), "items.jsonl")]
    for item in items:
        if "price" in item:
            item["price"] = f32(item["price"])
    return items


@functools.lru_cache(maxsize=None)
def stored():
    """Vectors as shards keep them: unit length, rounded to half precision."""
    vectors = [unit(row) for row in read_npy(next((holey() / "spaces").glob("*.npy")))]
    dim = len(vectors[0])
    return [struct.unpack(f"<{dim}e", struct.pack(f"<{dim}e", *v)) for v in vectors]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def best(scores, allowed, k, group=None, most=1):
    """The first k of (score, item), best first; at most `most` that share a value of `group`."""
    order = sorted((i for i in range(len(scores)) if allowed(i)),
                   key=lambda i: (-scores[i], catalog()[i]["sku"].encode()))
    counts = {}
    out = []
    for i in order:
        value = catalog()[i].get(group) if group else None
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
            if counts[value] > most:
                continue
        out.append(i)
    return out[:k]


FILTERS = [
    ('category = "Dress"', lambda x: x["category"] == "Dress"),
    ("category = 'Dress'", lambda x: x["category"] == "Dress"),
    ('category != "Dress"', lambda x: x["category"] != "Dress"),
    ('colour = "Black"', lambda x: x.get("colour") == "Black"),
    ('colour != "Black"', lambda x: x.get("colour") != "Black"),  # what has no colour is not black
    ('not colour = "Black"', lambda x: x.get("colour") != "Black"),
    ('not not colour = "Black"', lambda x: x.get("colour") == "Black"),
    ('colour in ("Black", "Navy", "No such colour")', lambda x: x.get("colour") in ("Black", "Navy")),
    ('not colour in ("Black","Navy")', lambda x: x.get("colour") not in ("Black", "Navy")),
    ("price < 40", lambda x: x.get("price", 1e9) < 40),
    ("not price < 40", lambda x: not x.get("price", 1e9) < 40),
    ("price >= 40", lambda x: x.get("price", -1) >= 40),
    ("price = 40.99", lambda x: x.get("price") == f32(40.99)),
    ("price != 40.99", lambda x: x.get("price") != f32(40.99)),
    ("price between 10 and 40", lambda x: 10 <= x.get("price", -1) <= 40),
    ("price >= 10 and price <= 40", lambda x: 10 <= x.get("price", -1) <= 40),
    ("price in (40.99, 52.99)", lambda x: x.get("price") in (f32(40.99), f32(52.99))),
    ("price < 20 or price > 150", lambda x: x.get("price", 50) < 20 or x.get("price", 50) > 150),
    ("in_stock", lambda x: x.get("in_stock") is True),
    ("not in_stock", lambda x: x.get("in_stock") is not True),
    ("in_stock = false", lambda x: x.get("in_stock") is False),
    ("in_stock != true", lambda x: x.get("in_stock") is not True),
    ("in_stock AND NOT price > 30",
     lambda x: x.get("in_stock") is True and not x.get("price", 0) > 30),
    ('not (in_stock or price > 30)', lambda x: not (x.get("in_stock") is True or x.get("price", 0) > 30)),
    ('not in_stock and not price > 30', lambda x: not x.get("in_stock") is True and not x.get("price", 0) > 30),
    ('category = "Dress" and price between 10 and 60 and colour in ("Black","Navy") and not brand = "Norden" and in_stock',
     lambda x: x["category"] == "Dress" and 10 <= x.get("price", -1) <= 60 and x.get("colour") in ("Black", "Navy")
     and x.get("brand") != "Norden" and x.get("in_stock") is True),
    ('gender = "Women" and (colour = "Red" or (colour = "Blue" and season != "Winter")) or `launch_day` > 20200',
     lambda x: x["gender"] == "Women" and (x.get("colour") == "Red" or (x.get("colour") == "Blue" and
                                                                         x["season"] != "Winter"))
     or x["launch_day"] > 20200),
    ("price < 0", lambda x: False),
    ("price < 0 or not price < 0", lambda x: True),
    ("price = 40.99 and colour = 'White' and brand = 'Nobody'", lambda x: False),
]

EQUIVALENT = [
    ["not (colour = 'Red' or price < 30)", "not colour = 'Red' and not price < 30", "not price < 30 and colour != 'Red'"],
    ["price between 20 and 50", "price >= 20 and price <= 50", "not (not price >= 20 or not price <= 50)"],
    ["not not in_stock", "in_stock", "in_stock = true", "in_stock and in_stock"],
]

BAD = [
    ("price <", "MALFORMED", "column 8"),
    ("(price < 3", "MALFORMED", "column"),
    ("price < 3 and", "MALFORMED", "column 14"),
    ("pric < 3", "UNKNOWN_ATTRIBUTE", "column 1"),
    ("in_stock and pric < 3", "UNKNOWN_ATTRIBUTE", "column 14"),
    ("price = 'x'", "TYPE", "column 9"),
    ("colour < 'x'", "TYPE", "column 8"),
    ("category = 3", "TYPE", "column 12"),
    ("price", "TYPE", "column"),
    ("price ~ 3", "MALFORMED", "column 7"),
    ("(" * 500 + "in_stock" + ")" * 500, "MALFORMED", "column"),
]


class Narrowed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(generation(shards=3, ranker=False, data=holey()))
        cls.query = stored()[11]
        cls.scores = [dot(cls.query, row) for row in stored()]
        cls.place = {item["sku"]: i for i, item in enumerate(catalog())}

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def ask(self, service, pb, **fields):
        fields.setdefault("surface", "for_you_raw")
        if not {"user", "items", "session", "vector"} & set(fields):
            fields["vector"] = {"values": self.query}
        return service.Recommend(pb.RecommendRequest(**fields), timeout=10)

    def check(self, answer, want, scores, message=None):
        """The hits are the wanted items; near ties may change places."""
        self.assertEqual(len(answer.hits), len(want), message)
        for hit, i in zip(answer.hits, want):
            self.assertAlmostEqual(hit.retrieval_score, scores[i], delta=2e-5, msg=message)
            self.assertAlmostEqual(hit.retrieval_score, scores[self.place[hit.sku]], delta=2e-5, msg=message)

    def test_filters_agree_with_the_catalog(self):
        with self.cluster.stub() as (pb, service):
            for text, matches in FILTERS:
                allowed = [matches(item) for item in catalog()]
                want = best(self.scores, lambda i: allowed[i], 60)
                for exact in (True, False):
                    answer = self.ask(service, pb, k=60, exact=exact, filter=text)
                    self.assertEqual(answer.coverage.matched, sum(allowed), text)
                    self.assertTrue(all(allowed[self.place[hit.sku]] for hit in answer.hits), text)
                    self.assertEqual(len(answer.hits), len(want), text)
                    if exact:
                        self.check(answer, want, self.scores, text)

    def test_equivalent_filters_give_equal_answers(self):
        with self.cluster.stub() as (pb, service):
            for texts in EQUIVALENT:
                for exact in (True, False):
                    answers = [[(hit.sku, hit.score) for hit in self.ask(service, pb, k=80, exact=exact, filter=text).hits]
                               for text in texts]
                    for text, answer in zip(texts, answers):
                        self.assertEqual(answer, answers[0], text)

    def test_every_surface_filters(self):
        with self.cluster.stub() as (pb, service):
            whole = self.ask(service, pb, surface="trending", k=1000, vector=None, user={"id": "nobody"})
            for text, matches in FILTERS[3:12]:
                listed = self.ask(service, pb, surface="trending", k=10, user={"id": "nobody"}, filter=text)
                want = [hit.sku for hit in whole.hits if matches(catalog()[self.place[hit.sku]])][:10]
                self.assertEqual([hit.sku for hit in listed.hits], want, text)
                for surface in ("similar", "similar_raw"):
                    answer = self.ask(service, pb, surface=surface, k=10, filter=text, items={"skus": [catalog()[5]["sku"]]})
                    self.assertEqual(len(answer.hits), 10, text)
                    self.assertTrue(all(matches(catalog()[self.place[hit.sku]]) for hit in answer.hits), text)

    def test_wrong_filters_are_refused_at_their_column(self):
        with self.cluster.stub() as (pb, service):
            for text, reason, says in BAD:
                with self.assertRaises(grpc.RpcError, msg=text) as caught:
                    self.ask(service, pb, filter=text)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT, text)
                self.assertEqual(status_details(caught.exception), (reason, "filter"), text)
                self.assertIn(says, caught.exception.details(), text)
        said = self.cluster.query("--user", "u1", "--filter", "pric < 3", code=5)
        self.assertIn("column 1", said)
        self.assertIn("price", said)

    # ---- exclusions

    def top(self, n):
        return best(self.scores, lambda i: True, n)

    def raw(self, *arguments):
        file = write_vector("query.tsv", self.query)
        return self.cluster.query("--vector", file, "--surface", "for_you_raw", "--exact", *arguments)

    def test_exclusions_in_line_by_file_and_by_handle(self):
        names = [catalog()[i]["sku"] for i in self.top(40)]
        seen = names[0:40:2] + ["no-such-sku"]
        file = scratch() / "seen.txt"
        file.write_text("\n".join(seen + seen[:3]) + "\n", encoding="utf-8")
        kept = json.loads(weft("exclude", "--target", self.cluster.target, file, "--json").stdout)
        self.assertEqual(kept["count"], len(seen))
        self.assertEqual(weft("exclude", "--target", self.cluster.target, file).stdout.strip(), kept["handle"])
        left = [hit["sku"] for hit in self.raw("--k", 60)["hits"] if hit["sku"] not in seen]
        ways = [("--exclude", ",".join(seen)), ("--exclude-file", file), ("--exclude-handle", kept["handle"])]
        for way in ways:
            got = [hit["sku"] for hit in self.raw("--k", 30, *way)["hits"]]
            self.assertEqual(got, left[:30], way)
        for way in ways:  # what is popular knows no vector, and leaves them out all the same
            whole = [hit["sku"] for hit in self.cluster.query("--surface", "trending", "--k", 200)["hits"]]
            some = [hit["sku"] for hit in self.cluster.query("--surface", "trending", "--k", 20, *way)["hits"]]
            self.assertEqual(some, [sku for sku in whole if sku not in seen][:20])

    def test_a_hundred_thousand_exclusions_and_no_more(self):
        names = [catalog()[i]["sku"] for i in self.top(1000)]
        file = scratch() / "many.txt"
        many = names[:900] + [f"other-{i}" for i in range(100000 - 900)]
        file.write_text("\n".join(many), encoding="utf-8")
        got = [hit["sku"] for hit in self.raw("--k", 60, "--exclude-file", file)["hits"]]
        self.assertEqual(len(got), 60)
        self.assertFalse(set(got) & set(many))
        file.write_text("\n".join(many + ["one-more"]), encoding="utf-8")
        said = weft("exclude", "--target", self.cluster.target, file, code=5).stderr
        self.assertIn("100000", said)

    def test_an_unknown_handle_asks_to_upload_again(self):
        self.assertIn("UNKNOWN_HANDLE", self.cluster.query("--user", "u1", "--exclude-handle", "0" * 32, code=1))
        with self.cluster.stub() as (pb, service), self.assertRaises(grpc.RpcError) as caught:
            self.ask(service, pb, exclude={"handle": "0" * 32})
        self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(status_details(caught.exception), ("UNKNOWN_HANDLE", "exclude.handle"))
        self.assertIn("upload again", caught.exception.details())

    def test_the_set_used_longest_ago_makes_room(self):
        settings = ("--coordinator-set", "limits.exclusions=1MiB")
        with Cluster(generation(), *settings) as cluster, cluster.stub() as (pb, service):
            sets = [pb.SkuHashes(values=range(i, i + 90000)) for i in (0, 1)]
            first, second = [service.UploadExclusions(pb.UploadExclusionsRequest(hashes=one), timeout=10) for one in sets]
            self.assertEqual((first.count, second.count), (90000, 90000))
            service.Recommend(pb.RecommendRequest(exclude={"handle": second.handle}), timeout=5)
            with self.assertRaises(grpc.RpcError) as caught:
                service.Recommend(pb.RecommendRequest(exclude={"handle": first.handle}), timeout=5)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.FAILED_PRECONDITION)
            again = service.UploadExclusions(pb.UploadExclusionsRequest(hashes=sets[0]), timeout=10)
            self.assertEqual(again.handle, first.handle)
            service.Recommend(pb.RecommendRequest(exclude={"handle": first.handle}), timeout=5)

    # ---- groups

    def test_groups_are_exact_for_any_shard_count(self):
        cases = [("brand", 1, ""), ("brand", 3, "price < 90"), ("colour", 2, ""), ("in_stock", 4, ""), ("price", 1, "")]
        wanted = {}
        for shards in (1, 2, 3, 5):
            with Cluster(generation(shards=shards, ranker=False, data=holey())) as cluster, cluster.stub() as (pb, service):
                for name, most, text in cases:
                    answer = self.ask(service, pb, k=50, exact=True, filter=text,
                                      group_by={"attribute": name, "max": most})
                    want = best(self.scores, lambda i: not text or catalog()[i].get("price", 1e9) < 90, 50, name, most)
                    self.check(answer, want, self.scores, f"{shards} shards, {name}:{most}")
                    self.assertFalse(any(hit.attributes for hit in answer.hits))
                    skus = [hit.sku for hit in answer.hits]
                    self.assertEqual(skus, wanted.setdefault((name, most, text), skus), f"{shards} shards, {name}")

    def test_ranked_lists_hold_to_their_groups(self):
        with Cluster(generation()) as cluster, cluster.stub() as (pb, service):
            for fields in ({"user": {"id": "u5"}}, {"items": {"skus": [skus_of(dataset())[4]]}}, {"surface": "trending"}):
                answer = service.Recommend(
                    pb.RecommendRequest(k=12, attributes=["*"], group_by={"attribute": "colour"}, **fields), timeout=5)
                colours = [a.text for hit in answer.hits for a in hit.attributes if a.name == "colour"]
                self.assertEqual(len(colours), 12)
                self.assertEqual(len(set(colours)), 12, fields)
                self.assertGreater(len(answer.hits[0].attributes), 3)

    def test_own_items_take_no_place_in_a_group(self):
        own = catalog()[11]["sku"]
        with self.cluster.stub() as (pb, service):
            answer = self.ask(service, pb, surface="similar_raw", items={"skus": [own]}, k=30, exact=True,
                              group_by={"attribute": "category"})
            want = best(self.scores, lambda i: i != 11, 30, "category")
            self.check(answer, want, self.scores)

    # ---- all at once

    def draw(self, random, cluster=None):
        """A request, and what it lets through: (fields, allowed items, scores, group, most)."""
        fields, allowed, scores = {"k": random.randint(1, 150), "exact": True}, [True] * len(catalog()), self.scores
        group, most = None, 1
        if random.random() < 0.7:
            text, matches = random.choice(FILTERS)
            fields["filter"] = text
            allowed = [matches(item) for item in catalog()]
        if random.random() < 0.5:
            group, most = random.choice(("brand", "colour", "price", "in_stock", "category")), random.randint(1, 5)
            fields["group_by"] = {"attribute": group, "max": most}
        if random.random() < 0.5:
            mode = random.choice(("NEGATIVE_MODE_SUBTRACT", "NEGATIVE_MODE_BEST_MINUS_WORST"))
            weight, skus = random.choice((0.25, 0.5, 1.5)), random.sample(range(len(catalog())), random.randint(1, 5))
            fields["negatives"] = {"skus": [catalog()[i]["sku"] for i in skus], "mode": mode, "weight": weight}
            scores = self.disliked(mode, weight, self.query, [unit(stored()[i]) for i in skus])
            allowed = [ok and i not in skus for i, ok in enumerate(allowed)]
        if random.random() < 0.5:
            gone = set(random.sample(range(len(catalog())), 1200)) | set(self.top(25))
            file = scratch() / "gone.txt"
            file.write_text("\n".join(catalog()[i]["sku"] for i in gone), encoding="utf-8")
            fields["exclude"] = {"handle": weft("exclude", "--target", (cluster or self.cluster).target, file).stdout.strip()}
            allowed = [ok and i not in gone for i, ok in enumerate(allowed)]
        return fields, allowed, scores, group, most

    def test_mixtures_agree_with_the_catalog(self):
        seed = int(os.environ.get("SEED") or time.time_ns())
        print(f"seed {seed}", file=sys.stderr)
        random = Random(seed)
        with self.cluster.stub() as (pb, service):
            for _ in range(40):
                fields, allowed, scores, group, most = self.draw(random)
                want = best(scores, lambda i: allowed[i], fields["k"], group, most)
                self.check(self.ask(service, pb, **fields), want, scores, f"seed {seed} {fields}")

    def test_every_index_keeps_to_what_is_asked(self):
        seed = int(os.environ.get("SEED") or time.time_ns())
        print(f"seed {seed}", file=sys.stderr)
        random = Random(seed)
        for index in ("HNSW16", "IVF32,PQ12x4fs,Refine(SQ8)"):
            gen = generation(shards=2, index=index, ranker=False, data=holey())
            with Cluster(gen) as cluster, cluster.stub() as (pb, service):
                for _ in range(20):
                    fields, allowed, _, group, most = self.draw(random, cluster)
                    fields["exact"] = False
                    answer = self.ask(service, pb, **fields)
                    message = f"seed {seed} {index} {fields}"
                    found = [self.place[hit.sku] for hit in answer.hits]
                    self.assertTrue(all(allowed[i] for i in found), message)
                    values = [catalog()[i].get(group) for i in found if group and group in catalog()[i]]
                    self.assertTrue(all(values.count(value) <= most for value in set(values)), message)
                    want = best([0] * len(allowed), lambda i: allowed[i], fields["k"], group, most)
                    if group:  # of the rows compared, which may hold fewer groups than there are
                        self.assertLessEqual(len(found), len(want), message)
                    else:
                        self.assertEqual(len(found), len(want), message)

    def test_bench_narrows_too(self):
        file = scratch() / "seen.txt"
        file.write_text(catalog()[0]["sku"], encoding="utf-8")
        handle = weft("exclude", "--target", self.cluster.target, file).stdout.strip()
        report = json.loads(weft("bench", "--target", self.cluster.target, "--rate", 50, "--seconds", 1, "--warmup", 0,
                                 "--surface", "similar", "--filter", "price < 40", "--target-recall", 0.9,
                                 "--exclude-handle", handle, "--json").stdout)
        self.assertEqual((report["sent"], report["errors"], report["refused"]), (50, 0, 0))

    # ---- dislikes

    def disliked(self, mode, weight, query, vectors):
        if mode == "NEGATIVE_MODE_SUBTRACT":
            mean = [sum(v[d] for v in vectors) / len(vectors) for d in range(len(query))]
            probe = unit([q - weight * m for q, m in zip(query, mean)])
            return [dot(probe, row) for row in stored()]
        return [dot(query, row) - weight * max(0, *(dot(v, row) for v in vectors), 0) for row in stored()]

    def test_dislikes_agree_with_the_arithmetic(self):
        other = unit([(-1) ** d * (d % 5) for d in range(len(self.query))])
        near = self.top(30)
        with self.cluster.stub() as (pb, service):
            for mode in ("NEGATIVE_MODE_SUBTRACT", "NEGATIVE_MODE_BEST_MINUS_WORST"):
                for weight, skus, vectors in ((0.5, near[3:5], []), (2, near[9:10], [other]), (1, [], [other]), (0, near[2:3], [])):
                    negatives = {"skus": [catalog()[i]["sku"] for i in skus], "vectors": [{"values": v} for v in vectors],
                                 "mode": mode, "weight": weight}
                    answer = self.ask(service, pb, k=40, exact=True, negatives=negatives)
                    scores = self.disliked(mode, weight, self.query, [unit(stored()[i]) for i in skus] + vectors)
                    self.check(answer, best(scores, lambda i: i not in skus, 40), scores, f"{mode} {weight}")
                    self.assertEqual(list(answer.degraded), [])

    def test_items_may_be_asked_with_dislikes(self):
        near = self.top(30)
        liked, no = near[0], near[8]
        negatives = {"skus": [catalog()[no]["sku"], "no-such-sku"], "mode": "NEGATIVE_MODE_BEST_MINUS_WORST", "weight": 0.7}
        scores = self.disliked("BEST", 0.7, unit(stored()[liked]), [unit(stored()[no])])
        with self.cluster.stub() as (pb, service):
            for fields in ({"items": {"skus": [catalog()[liked]["sku"]]}}, {"session": {"skus": [catalog()[liked]["sku"]]}}):
                answer = self.ask(service, pb, surface="similar_raw", k=25, exact=True, negatives=negatives, **fields)
                self.check(answer, best(scores, lambda i: i not in (liked, no), 25), scores)
                self.assertEqual([pb.DegradedReason.Name(d) for d in answer.degraded], ["DEGRADED_REASON_UNKNOWN_ITEM"])

    def test_users_may_dislike_and_nothing_is_left_of_what_is_its_own_opposite(self):
        sku = catalog()[11]["sku"]
        plain = self.cluster.query("--user", "u5", "--k", 20, "--surface", "for_you_raw")
        worst = plain["hits"][0]["sku"]
        for mode in ("subtract", "best-minus-worst"):
            less = self.cluster.query("--user", "u5", "--k", 20, "--surface", "for_you_raw", "--dislike", worst,
                                      "--dislike-mode", mode, "--dislike-weight", 1)
            self.assertNotIn(worst, [hit["sku"] for hit in less["hits"]])
            self.assertLess(less["hits"][0]["score"], plain["hits"][0]["score"])
        said = self.cluster.query("--items", sku, "--dislike", sku, "--dislike-weight", 1, code=5)
        self.assertIn("ZERO_VECTOR", said)


class TargetRecall(unittest.TestCase):
    def test_effort_never_rises_as_the_target_falls(self):
        with Cluster(generation(index="IVF32,SQfp16", ranker=False)) as cluster:
            sku = skus_of(dataset())[3]
            exact = {hit["sku"] for hit in cluster.query("--items", sku, "--k", 50, "--exact", "--surface", "similar_raw")["hits"]}
            before = 0
            for target in (0.5, 0.9, 0.95, 0.99, 1):
                answer = cluster.query("--items", sku, "--k", 50, "--target-recall", target, "--surface", "similar_raw")
                self.assertGreaterEqual(answer["coverage"]["scanned"], before)
                before = answer["coverage"]["scanned"]
                self.assertEqual(len(answer["hits"]), 50)
            self.assertGreaterEqual(len(exact & {hit["sku"] for hit in answer["hits"]}), 48)
            weft("query", "--target", cluster.target, "--items", sku, "--target-recall", 0.9, "--nprobe", 4, code=5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
