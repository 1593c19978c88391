# SPDX-License-Identifier: Apache-2.0
"""Support of the cluster tests: the shipped programs on loopback, and everything gone afterwards.

WEFT_BIN names the directory of the programs, WEFT_SOURCE the checkout. Nothing here sleeps: a start is waited for by
reading the line that `weft up` prints when it serves, an end by waiting for the process.
"""
import ast
import atexit
import contextlib
import functools
import json
import math
import os
import pathlib
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile

import google.protobuf
import grpc

BIN = pathlib.Path(os.environ["WEFT_BIN"])
SOURCE = pathlib.Path(os.environ["WEFT_SOURCE"])
SHARED = SOURCE.parent / "shared" / "data"


@functools.lru_cache(maxsize=None)
def scratch():
    """One directory for the whole test program, removed at its end."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="weft-cluster-"))
    atexit.register(shutil.rmtree, path, True)
    return path


def weft(*arguments, code=0, env=None):
    """Runs the multi-tool and returns its completed process; its exit code must be `code`."""
    done = subprocess.run(
        [BIN / "weft", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != code:
        raise AssertionError(f"weft {arguments}: exit {done.returncode}, wanted {code}\n{done.stdout}{done.stderr}")
    return done


@functools.lru_cache(maxsize=None)
def dataset(items=3000, dim=24, users=200, events=4000, seed=7):
    out = scratch() / f"data-{items}-{dim}-{seed}"
    weft("synth", "--items", items, "--dim", dim, "--users", users, "--events", events, "--seed", seed, "--out", out)
    return out


@functools.lru_cache(maxsize=None)
def model():
    out = scratch() / "ranker.json"
    weft("train", "ranker", "--input", dataset(), "--out", out)
    return out


def generation(shards=3, index=None, ranker=True, data=None):
    out = scratch() / f"gen-{shards}-{index}-{ranker}-{0 if data is None else data.name}".replace(",", "_")
    if out.exists():
        return out
    arguments = ["build", "--input", data or dataset(), "--shards", shards, "--out", out]
    if index:
        arguments += ["--index", index]
    if ranker:
        arguments += ["--model", model()]
    weft(*arguments)
    return out


def lines(directory, name):
    """Lines of a dataset's file, which may be compressed."""
    path = next(pathlib.Path(directory).glob(name + "*"))
    if path.suffix == ".zst":
        text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True, text=True).stdout
    else:
        text = path.read_text(encoding="utf-8")
    return text.splitlines()


def hits(answer):
    return [(hit["sku"], hit["score"]) for hit in answer["hits"]]


def skus_of(data):
    return [json.loads(line)["sku"] for line in lines(data, "items.jsonl")]


def read_npy(path):
    """Rows of a little-endian float32 .npy of version 1."""
    raw = path.read_bytes()
    size = struct.unpack_from("<H", raw, 8)[0]
    rows, dim = ast.literal_eval(raw[10 : 10 + size].decode())["shape"]
    flat = struct.unpack_from(f"<{rows * dim}f", raw, 10 + size)
    return [flat[i * dim : (i + 1) * dim] for i in range(rows)]


def unit(row):
    norm = math.sqrt(sum(x * x for x in row))
    return [x / norm for x in row]


def write_vector(name, values):
    path = scratch() / name
    path.write_text(" ".join(repr(float(v)) for v in values) + "\n", encoding="utf-8")
    return path


class Cluster:
    """`weft up` over a generation, as a context manager."""

    def __init__(self, gen, *arguments, env=None, state=None):
        self.state = tempfile.mkdtemp(dir=scratch()) if state is None else str(state)
        os.makedirs(self.state, exist_ok=True)
        with open(os.path.join(self.state, "up.log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [BIN / "weft", "up", gen, "--state", self.state, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **(env or {})},
            )
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(timeout=30)
            log = pathlib.Path(self.state, "up.log").read_text(encoding="utf-8")
            raise AssertionError(f"weft up ended with {self.process.returncode}:\n{log}")
        self.info = json.loads(line)
        self.target = self.info["coordinator"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, code=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.stdout.close()
        returned = self.process.wait(timeout=60)
        if code is not None and returned != code:
            log = pathlib.Path(self.state, "up.log").read_text(encoding="utf-8")
            raise AssertionError(f"weft up ended with {returned}, wanted {code}:\n{log}")

    def pids(self, shard):
        return [s["pid"] for s in self.info["shards"] if s["shard"] == shard]

    def query(self, *arguments, code=0):
        done = weft("query", "--target", self.target, *arguments, "--json", code=code)
        return json.loads(done.stdout) if code == 0 else done.stderr

    @contextlib.contextmanager
    def stub(self):
        pb, service = stubs()
        with grpc.insecure_channel(self.target) as channel:
            yield pb, service.RecommendServiceStub(channel)


def wait_gone(pid):
    """Waits until a process that is not our child has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ready, _, _ = select.select([fd], [], [], 30)
    os.close(fd)
    assert ready, f"process {pid} is still there"


@functools.lru_cache(maxsize=None)
def compiled():
    """The protos, compiled by protoc and gRPC's Python plugin into a directory on sys.path."""
    out = scratch() / "stubs"
    out.mkdir()
    roots = [SOURCE / "proto", SOURCE / "rpc" / "proto"]
    files = [str(path.relative_to(root)) for root in roots for path in root.rglob("*.proto")]
    files = [file for file in files if not file.startswith("google/protobuf/")]  # the library has these
    plugin = f"--plugin=protoc-gen-grpc_python={shutil.which('grpc_python_plugin')}"
    command = ["protoc", plugin, f"--python_out={out}", f"--grpc_python_out={out}", *(f"-I{root}" for root in roots)]
    subprocess.run([*command, *files], check=True)
    sys.path.insert(0, str(out))
    for package in (grpc, google):  # the health, reflection and status protos live below these names
        package.__path__.append(str(out / package.__name__))
    return out


@functools.lru_cache(maxsize=None)
def stubs():
    compiled()
    from weft.v1 import recommend_pb2, recommend_pb2_grpc

    return recommend_pb2, recommend_pb2_grpc


def status_details(error):
    """(reason, field) from the google.rpc.Status details of a failed call."""
    compiled()
    from google.rpc import error_details_pb2, status_pb2

    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            reason = field = ""
            for detail in status_pb2.Status.FromString(value).details:
                name = detail.type_url.rsplit("/", 1)[1]
                if name == "google.rpc.ErrorInfo":
                    reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason
                elif name == "google.rpc.BadRequest":
                    field = error_details_pb2.BadRequest.FromString(detail.value).field_violations[0].field
            return reason, field
    return "", ""
