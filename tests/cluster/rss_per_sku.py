# SPDX-License-Identifier: Apache-2.0
"""Memory per SKU: the resident set of weft-shard over a generation after queries that touch every list, less that of a
shard over 64 items of the same shape after the same queries, beside what the items are: codes of the first space,
attributes (4 bytes for a number or a dictionary code, 1 for a flag, UTF-8 for a text) and SKUs.

    WEFT_BIN=build/bin WEFT_SOURCE=. /usr/bin/python3 tests/cluster/rss_per_sku.py GEN [QUERIES [LIMIT]]

One line of JSON; exit code 1 when the ratio passes the limit (1.25). Takes minutes, so it is no ctest."""
import array
import json
import mmap
import os
import pathlib
import random
import struct
import subprocess
import sys

import grpc

from cluster import BIN, compiled, scratch, weft

SEED = 11
K = 100


class Container:
    """Sections of a .weft file by name."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        offset, size = struct.unpack_from("<QQ", self.raw, 16)
        self.places = {}
        for at in range(offset, offset + size, 96):
            name = self.raw[at : at + 64].rstrip(b"\0").decode()
            self.places[name] = struct.unpack_from("<QQ", self.raw, at + 64)

    def size(self, name):
        return self.places[name][1]

    def floats(self, name, begin, count):
        at = self.places[name][0] + 4 * begin
        return array.array("f", self.raw[at : at + 4 * count])


class Shard:
    """weft-shard over shard 0 of a generation, as a context manager."""

    def __init__(self, gen):
        read, write = os.pipe()
        sets = [f"shard.generation={gen}", "rpc.listen=127.0.0.1:0", "http.listen=127.0.0.1:0", "log.level=error"]
        arguments = [word for pair in sets for word in ("--set", pair)]
        self.process = subprocess.Popen([BIN / "weft-shard", *arguments, "--ready-fd", str(write)], pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as ready:
            self.address = json.loads(ready.readline())["address"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)

    def resident(self):
        """Bytes, and the part of it that is no file's."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = {line.split()[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
        return sizes["VmRSS:"], sizes["RssAnon:"]


def make_queries(container, space, n):
    """The centroids in turn, so that every list is the nearest of some query, each a little moved."""
    dim, stride = space["dim"], (space["dim"] + 7) // 8 * 8
    name = f"space/{space['name']}/centroids"
    lists = container.size(name) // (4 * stride)
    rng = random.Random(SEED)
    for i in range(n):
        values = container.floats(name, i % lists * stride, dim)
        moved = [x + 0.01 * rng.gauss(0, 1) if i >= lists else x for x in values]
        norm = sum(x * x for x in moved) ** 0.5 if space["metric"] == "cosine" else 1
        yield [x / norm for x in moved]


def ask_all(shard, manifest, features, queries):
    compiled()
    from weft.internal.v1 import shard_pb2, shard_pb2_grpc

    with grpc.insecure_channel(shard.address) as channel:
        stub = shard_pb2_grpc.ShardServiceStub(channel)
        for vector in queries:
            probe = shard_pb2.Probe(vector=vector, k=K)
            request = shard_pb2.SearchRequest(generation=manifest["name"], probes=[probe], features=features,
                                              attributes=["*"], want_vectors=True, vector_encoding=2)
            stub.Search(request, timeout=60)


def measure(gen, queries):
    manifest = json.loads((gen / "manifest.json").read_text(encoding="utf-8"))
    container = Container(gen / "shard-000" / "shard.weft")
    at, size = container.places["meta"]
    features = [feature["id"] for feature in json.loads(container.raw[at : at + size])["features"]]
    with Shard(gen) as shard:
        ask_all(shard, manifest, features, queries)
        return shard.resident(), manifest, container


def payload(manifest, container):
    """Bytes of the items themselves, by kind."""
    rows, schema = manifest["shard_rows"][0], manifest["schema"]
    size = {"codes": 0, "attributes": 0, "ids": container.size("ids/bytes")}
    space = schema["spaces"][0]["name"]
    size["codes"] = container.size(f"space/{space}/codes")
    if f"space/{space}/pq_packed" in container.places:
        size["codes"] += rows * schema["spaces"][0]["dim"] // 4
    for attr in schema["attributes"]:
        each = {"keyword": 4, "number": 4, "flag": 1, "text": 0}[attr["type"]]
        size["attributes"] += each * rows
        if attr["type"] == "text":
            size["attributes"] += container.size(f"attr/{attr['name']}/bytes")
    return size


def main():
    gen = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 10000
    limit = float(sys.argv[3]) if len(sys.argv) > 3 else 1.25
    manifest = json.loads((gen / "manifest.json").read_text(encoding="utf-8"))
    space = manifest["schema"]["spaces"][0]
    queries = list(make_queries(Container(gen / "shard-000" / "shard.weft"), space, count))
    data, small = scratch() / "data", scratch() / "gen"
    weft("synth", "--items", 64, "--dim", space["dim"], "--users", 10, "--events", 100, "--seed", SEED, "--out", data)
    weft("build", "--input", data, "--shards", 1, "--out", small)
    (full, full_heap), manifest, container = measure(gen, queries)
    (empty, empty_heap), _, _ = measure(small, queries)
    size = payload(manifest, container)
    rows = manifest["shard_rows"][0]
    ratio = (full - empty) / sum(size.values())
    print(json.dumps({"rows": rows, "queries": count, "seed": SEED, "rss": full, "rss_empty": empty,
                      "heap": full_heap, "heap_empty": empty_heap, "bytes_per_sku": round((full - empty) / rows, 1),
                      "payload_per_sku": {kind: round(n / rows, 1) for kind, n in size.items()},
                      "ratio": round(ratio, 3), "limit": limit}))
    return ratio > limit


if __name__ == "__main__":
    sys.exit(main())
