# SPDX-License-Identifier: Apache-2.0
"""What the checkers beside this file share: the project's own files, C text without comments."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = ("base", "proto", "rpc", "ranking", "shard", "coordinator", "tools", "tests")


def files(*endings):
    """Paths below ROOT, tracked or new but not ignored, that end so; sorted."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"],
        check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted({p for p in listed
                   if p.endswith(endings) and os.path.exists(os.path.join(ROOT, p))})


def sources():
    """C and C++ files of the layers."""
    return [p for p in files(".c", ".h", ".cc") if p.split("/")[0] in LAYERS]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """The text with comments and literals blanked, line numbers kept."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return TOKEN.sub(blank, text)


def finish(name, problems, how):
    """Prints what was found and ends the process: 0 when nothing was."""
    for p in problems:
        print(p)
    if problems:
        print(f"{name}: {len(problems)} found. {how}")
    sys.exit(1 if problems else 0)
