# SPDX-License-Identifier: Apache-2.0
"""Bad input through the front door: the status, the reason and the field of each refusal, and nobody falls over."""
import math
import pathlib
import shutil
import unittest

import grpc

from cluster import BIN, Cluster, generation, scratch, status_details, weft

INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
DIM = 24

# what is wrong, request fields, status, reason, field
BAD = [
    ("no numbers", {"vector": {"values": []}}, INVALID, None, "subject.vector.values"),
    ("wrong dimension", {"vector": {"values": [1.0] * 7}}, INVALID, "DIMENSION", "subject.vector.values"),
    ("nan", {"vector": {"values": [1.0, math.nan] + [0.0] * (DIM - 2)}}, INVALID, "NOT_FINITE",
     "subject.vector.values[1]"),
    ("infinity", {"vector": {"values": [1.0, 2.0, math.inf] + [0.0] * (DIM - 3)}}, INVALID, "NOT_FINITE",
     "subject.vector.values[2]"),
    ("zero norm", {"vector": {"values": [0.0] * DIM}}, INVALID, "ZERO_VECTOR", "subject.vector.values"),
    ("unknown space", {"vector": {"space": "moon", "values": [1.0] * DIM}}, INVALID, "UNKNOWN_SPACE",
     "subject.vector.space"),
    ("other content id", {"vector": {"content_id": "v0", "values": [1.0] * DIM}}, PRECONDITION, "WRONG_SPACE", None),
    ("k = 0", {"user": {"id": "u1"}, "k": 0}, INVALID, "OUT_OF_RANGE", "k"),
    ("k too large", {"user": {"id": "u1"}, "k": 1001}, INVALID, "OUT_OF_RANGE", "k"),
    ("rank_limit below k", {"user": {"id": "u1"}, "k": 50, "rank_limit": 10}, INVALID, "OUT_OF_RANGE", "rank_limit"),
    ("nprobe too large", {"user": {"id": "u1"}, "effort": {"nprobe": 65537}}, INVALID, "OUT_OF_RANGE",
     "effort.nprobe"),
    ("nprobe 0", {"user": {"id": "u1"}, "effort": {"nprobe": 0}}, INVALID, "OUT_OF_RANGE", "effort.nprobe"),
    ("effort of another index", {"vector": {"values": [1.0] * DIM}, "effort": {"ef_search": 50}}, INVALID, "UNSUPPORTED",
     None),
    ("filter cut short", {"user": {"id": "u1"}, "filter": "price <"}, INVALID, "MALFORMED", "filter"),
    ("filter by what is not there", {"user": {"id": "u1"}, "filter": "pric < 3"}, INVALID, "UNKNOWN_ATTRIBUTE",
     "filter"),
    ("filter of another type", {"user": {"id": "u1"}, "filter": "price = 'a'"}, INVALID, "TYPE", "filter"),
    ("recall and effort", {"user": {"id": "u1"}, "target_recall": 0.9, "effort": {"nprobe": 4}}, INVALID, "CONFLICT",
     "effort"),
    ("group by what is not there", {"user": {"id": "u1"}, "group_by": {"attribute": "stile"}}, INVALID,
     "UNKNOWN_ATTRIBUTE", "group_by.attribute"),
    ("group of 0", {"user": {"id": "u1"}, "group_by": {"attribute": "price", "max": 0}}, INVALID, "OUT_OF_RANGE",
     "group_by.max"),
    ("no exclusions", {"user": {"id": "u1"}, "exclude": {}}, INVALID, "MISSING", "exclude"),
    ("unknown handle", {"user": {"id": "u1"}, "exclude": {"handle": "00ff"}}, PRECONDITION, "UNKNOWN_HANDLE",
     "exclude.handle"),
    ("dislike without a subject", {"negatives": {"skus": ["a"]}}, INVALID, "CONFLICT", "negatives"),
    ("dislike of another dimension",
     {"vector": {"values": [1.0] * DIM}, "negatives": {"vectors": [{"values": [1.0]}]}}, INVALID, "DIMENSION",
     "negatives.vectors[0].values"),
    ("dislike of another kind", {"user": {"id": "u1"}, "negatives": {"skus": ["a"], "mode": 7}}, INVALID,
     "UNKNOWN_VALUE", "negatives.mode"),
    ("dislike too much", {"user": {"id": "u1"}, "negatives": {"skus": ["a"], "weight": 11}}, INVALID, "OUT_OF_RANGE",
     "negatives.weight"),
    ("target recall over 1", {"user": {"id": "u1"}, "target_recall": 1.5}, INVALID, "OUT_OF_RANGE", "target_recall"),
    ("min coverage", {"user": {"id": "u1"}, "min_coverage": math.nan}, INVALID, None, "min_coverage"),
    ("timeout", {"user": {"id": "u1"}, "timeout_ms": 0}, INVALID, "OUT_OF_RANGE", "timeout_ms"),
    ("too many items", {"items": {"skus": ["a"] * 17}}, INVALID, "TOO_MANY", "subject.items.skus"),
    ("no items", {"items": {"skus": []}}, INVALID, None, "subject.items.skus"),
    ("long sku", {"items": {"skus": ["x" * 65]}}, INVALID, "TOO_LONG", "subject.items.skus[0]"),
    ("nul in a sku", {"items": {"skus": ["a\0b"]}}, INVALID, None, "subject.items.skus[0]"),
    ("too long a session", {"session": {"skus": ["a"] * 51}}, INVALID, "TOO_MANY", "subject.session.skus"),
    ("unknown item", {"items": {"skus": ["no-such-sku"]}}, grpc.StatusCode.NOT_FOUND, None, None),
    ("unknown surface", {"user": {"id": "u1"}, "surface": "for_yuo"}, INVALID, "UNKNOWN_SURFACE", "surface"),
    ("unknown attribute", {"user": {"id": "u1"}, "attributes": ["colur"]}, INVALID, "UNKNOWN_ATTRIBUTE",
     "attributes[0]"),
    ("text without an encoder", {"text": {"text": "red dress"}}, PRECONDITION, "NO_TEXT_ENCODER", None),
]


class OverGrpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(generation())

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def refuse(self, call):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        return caught.exception

    def test_each_bad_request_is_named(self):
        with self.cluster.stub() as (pb, service):
            for what, fields, code, reason, field in BAD:
                with self.subTest(what):
                    error = self.refuse(lambda: service.Recommend(pb.RecommendRequest(**fields), timeout=5))
                    self.assertEqual(error.code(), code, error.details())
                    got_reason, got_field = status_details(error)
                    self.assertTrue(error.details())
                    if reason:
                        self.assertEqual(got_reason, reason)
                    if field:
                        self.assertEqual(got_field, field)
            self.assertEqual(len(service.Recommend(pb.RecommendRequest(user={"id": "u1"}), timeout=5).hits), 10)

    def test_malformed_bytes_and_unknown_methods(self):
        with grpc.insecure_channel(self.cluster.target) as channel:
            def raw(method, data):
                return channel.unary_unary(method)(data, timeout=5)

            recommend = "/weft.v1.RecommendService/Recommend"
            for data in (b"\xff" * 50, b"\x1a\xff\xff\xff\xff\x0f", b"\x08\x01" * 10, b"\x42"):
                error = self.refuse(lambda: raw(recommend, data))
                self.assertEqual(error.code(), INVALID, data)
            error = self.refuse(lambda: raw("/weft.v1.RecommendService/Fly", b""))
            self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
            error = self.refuse(lambda: raw(recommend, b"\x0a" + b"\x80\x80\x80\x08" + b"x" * (16 << 20)))
            self.assertEqual(error.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)

    def test_a_batch_fails_one_by_one(self):
        with self.cluster.stub() as (pb, service):
            good, bad = pb.RecommendRequest(user={"id": "u1"}), pb.RecommendRequest(user={"id": "u1"}, k=0)
            answer = service.RecommendBatch(pb.RecommendBatchRequest(requests=[good, bad, good]), timeout=5)
            self.assertEqual([item.WhichOneof("result") for item in answer.items], ["response", "status", "response"])
            self.assertEqual(answer.items[1].status.field, "k")
            self.assertEqual(answer.items[1].status.code, 3)
            error = self.refuse(lambda: service.RecommendBatch(pb.RecommendBatchRequest(requests=[good] * 65), timeout=5))
            self.assertEqual(error.code(), INVALID)

    def test_k_over_what_there_is_gives_what_there_is(self):
        with self.cluster.stub() as (pb, service):
            answer = service.Recommend(
                pb.RecommendRequest(user={"id": "u1"}, k=1000, surface="for_you_raw", exact=True), timeout=5)
            self.assertEqual(len(answer.hits), 1000)
            self.assertEqual(len({hit.sku for hit in answer.hits}), 1000)


class OverTheCommandLine(unittest.TestCase):
    def test_usage(self):
        self.assertIn("--target", weft("query", "--targt", "x", code=2).stderr)
        self.assertIn("query", weft("qurey", code=2).stderr)
        weft("build", code=2)

    def test_unreachable(self):
        weft("query", "--target", "127.0.0.1:1", "--user", "u1", code=6)

    def test_config(self):
        file = scratch() / "typo.conf"
        file.write_text('rpc : {\n  lisen = "127.0.0.1:0";\n};\n', encoding="utf-8")
        import subprocess

        for program in ("weft-shard", "weft-coordinator"):
            done = subprocess.run([BIN / program, "--config", file, "--check-config"], capture_output=True, text=True,
                                  timeout=30)
            self.assertEqual(done.returncode, 4)
            self.assertIn(f"{file}:2", done.stderr)
            self.assertIn("rpc.listen", done.stderr)

    def test_a_damaged_generation_is_refused_with_its_file(self):
        copy = scratch() / "damaged"
        shutil.copytree(generation(), copy)
        shard = copy / "shard-001" / "shard.weft"
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
        self.assertIn("shard-001/shard.weft", weft("verify", copy, code=5).stderr)
        done = weft("up", copy, code=5)
        self.assertIn("shard-001", done.stderr)
        weft("verify", generation())
        self.assertTrue(pathlib.Path(generation(), "manifest.json").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
