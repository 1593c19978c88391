# SPDX-License-Identifier: Apache-2.0
"""Shard processes: sealed starts, scrubs that find damage, memory limits, and threads under many connections."""
import json
import os
import pathlib
import shutil
import socket
import struct
import unittest
import urllib.request

import grpc

from cluster import Cluster, compiled, generation, scratch, weft

CONNECTIONS = 200
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and an empty SETTINGS frame


def page(shard, name):
    with urllib.request.urlopen(f"http://{shard['http']}/{name}", timeout=10) as reply:
        return reply.read().decode()


def status(shard):
    return json.loads(page(shard, "statusz"))["state"]


def sealed_start(gen, state, *arguments):
    """A cluster whose shards trusted their seals. A file that has only just been written is sealed a start later."""
    for _ in range(4):
        cluster = Cluster(gen, *arguments, state=state)
        if all(status(shard)["sealed"] for shard in cluster.info["shards"]):
            return cluster
        cluster.stop()
    raise AssertionError("no sealed start")


def place_of(path, suffix):
    """Offset of the middle of the section of a container's space."""
    raw = path.read_bytes()
    offset, size = struct.unpack_from("<QQ", raw, 16)
    for at in range(offset, offset + size, 96):
        name = raw[at : at + 64].rstrip(b"\0").decode()
        begin, length = struct.unpack_from("<QQ", raw, at + 64)
        if name.startswith("space/") and name.endswith(suffix):
            return begin + length // 2
    raise AssertionError(f"no section {suffix}")


def flip_unseen(path, seal):
    """Flips a bit of the stored vectors as a failing memory would: neither times nor seal tell."""
    at = place_of(path, "/codes")
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
    text = json.loads(seal.read_text(encoding="utf-8"))
    known = path.stat()
    text.update(modified_ns=known.st_mtime_ns, changed_ns=known.st_ctime_ns)
    seal.write_text(json.dumps(text, separators=(",", ":")) + "\n", encoding="utf-8")


class Seals(unittest.TestCase):
    def test_the_second_start_reads_nothing_and_answers_the_same(self):
        gen, state = generation(shards=2), scratch() / "state-same"
        with Cluster(gen, state=state) as first:
            answers = first.query("--surface", "trending", "--k", 20)["hits"]
        with sealed_start(gen, state) as second:
            self.assertEqual(second.query("--surface", "trending", "--k", 20)["hits"], answers)

    def test_a_scrub_finds_what_a_sealed_start_cannot(self):
        compiled()
        from grpc.health.v1 import health_pb2, health_pb2_grpc

        gen, state = scratch() / "gen-damaged", scratch() / "state-damaged"
        shutil.copytree(generation(shards=1), gen)
        sealed_start(gen, state).stop()
        seal = state / "shard-000.seal"
        flip_unseen(gen / "shard-000" / "shard.weft", seal)
        with sealed_start(gen, state, "--shard-set", "shard.scrub_interval=500ms") as cluster:
            shard = cluster.info["shards"][0]
            with grpc.insecure_channel(shard["address"]) as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""), timeout=30)
                for update in watch:
                    if update.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                        break
            self.assertTrue(status(shard)["damaged"])
            self.assertFalse(seal.exists())
            self.assertIn('weft_shard_scrubs_total{result="damaged"} 1\n', page(shard, "metrics"))
            self.assertIn("NO_SHARD", cluster.query("--surface", "trending", "--k", 5, code=6))
        log = pathlib.Path(cluster.state, "up.log").read_text(encoding="utf-8")
        self.assertIn('"event":"damaged"', log)
        weft("verify", gen, code=5)

    def test_a_good_scrub_is_counted(self):
        gen, state = generation(shards=1), scratch() / "state-good"
        with sealed_start(gen, state, "--shard-set", "shard.scrub_interval=100ms") as cluster:
            shard = cluster.info["shards"][0]
            while 'weft_shard_scrubs_total{result="ok"} 0' in page(shard, "metrics"):
                pass
            self.assertFalse(status(shard)["damaged"])


class Limits(unittest.TestCase):
    def test_a_generation_that_does_not_fit_is_refused_with_the_sum(self):
        told = weft("up", generation(shards=1), "--state", scratch() / "state-limit", "--shard-set",
                    "shard.memory_limit=1000000", code=1).stderr
        for word in ("codes ", "index ", "columns ", "ids ", "bitmaps ", "limit is 1000000"):
            self.assertIn(word, told)

    def test_memory_is_told_by_component(self):
        with Cluster(generation(shards=1), "--shard-set", "shard.memory_limit=1GiB") as cluster:
            shard = cluster.info["shards"][0]
            memory = status(shard)["memory"]
            self.assertEqual(memory.pop("limit"), 1 << 30)
            self.assertEqual(set(memory), {"codes", "index", "columns", "ids", "bitmaps", "delta"})
            metrics = page(shard, "metrics")
            for name in ("codes", "index", "columns", "ids"):
                self.assertGreater(memory[name], 0)
                self.assertIn(f'weft_shard_memory_bytes{{component="{name}"}} {memory[name]}\n', metrics)

    def test_connections_do_not_make_threads(self):
        with Cluster(generation(shards=1), "--shard-set", "rpc.threads=0") as cluster:
            shard = cluster.info["shards"][0]
            host, port = shard["address"].rsplit(":", 1)
            sockets = []
            try:
                for _ in range(CONNECTIONS):
                    client = socket.create_connection((host, int(port)), timeout=30)
                    sockets.append(client)
                    client.sendall(PREFACE)
                for client in sockets:
                    self.assertTrue(client.recv(9))  # the server's SETTINGS: it has taken the connection
                cluster.query("--surface", "trending", "--k", 5)
                lines = pathlib.Path(f"/proc/{shard['pid']}/status").read_text(encoding="utf-8").splitlines()
            finally:
                for client in sockets:
                    client.close()
        threads = int(next(line.split()[1] for line in lines if line.startswith("Threads:")))
        print(f"{threads} threads with {CONNECTIONS} connections")
        self.assertLessEqual(threads, 2 * len(os.sched_getaffinity(0)) + 16)


if __name__ == "__main__":
    unittest.main()
