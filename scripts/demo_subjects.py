#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints shell assignments of subjects for the demo from a dataset directory: sku, user and session.

The user is the one with the most purchases, the session are the last three things that the user bought, the SKU is
the one bought most often: the same ones at every run.
"""
import collections
import glob
import shlex
import subprocess
import sys


def lines(directory, name):
    path = sorted(glob.glob(f"{directory}/{name}*"))[0]
    if path.endswith(".zst"):
        text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
        return text.decode().splitlines()
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def main():
    events = [line.split("\t") for line in lines(sys.argv[1], "interactions.tsv")[1:]]
    user = collections.Counter(event[0] for event in events).most_common(1)[0][0]
    sku = collections.Counter(event[1] for event in events).most_common(1)[0][0]
    history = sorted((int(event[3]), event[1]) for event in events if event[0] == user)
    last = list(dict.fromkeys(item for _, item in reversed(history)))[:3]
    for name, value in (("sku", sku), ("user", user), ("session", ",".join(reversed(last)))):
        print(f"{name}={shlex.quote(value)}")


main()
