"""The documentation of Python's standard library as questions and answers."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator

from fineline.resources.core.recipe.sources import PythonDocs
from fineline.resources.data.shapes.content import stable_number
from fineline.resources.data.shapes.conversations import assistant, user
from fineline.resources.data.sources import stdlib_walk
from fineline.resources.data.sources.batch import Batch, BatchBuilder, BatchRows, Content, Row, SourceError

PHRASINGS = [
    "What does the {kind} `{name}` do in Python?",
    "Explain the Python {kind} `{name}`.",
    "What does Python's documentation say about `{name}`?",
    "How would you describe the {kind} `{name}` of Python's standard library?",
    "I came across `{name}` in some Python code. What is it for?",
    "Give me the documentation of the Python {kind} `{name}`.",
]


def batches(source: PythonDocs) -> list[Batch]:
    """One batch; its fingerprint is the Python implementation, its version and the platform."""
    version = f"{platform.python_implementation()}-{platform.python_version()}-{sys.platform}"
    return [Batch(f"{source.name}/all", version)]


def read(source: PythonDocs, key: str) -> BatchRows:
    """A chat record for each documented public object: group is its module, label its kind.

    Inherited methods count under each class, so many answers repeat: near and exact duplicates as real
    corpora have them. The order is by hash of the name, so that a limit takes a sample of all modules.
    """
    builder = BatchBuilder(source.name, key)
    objects = sorted(_documented_objects(), key=lambda each: (stable_number(each[1]), each))
    for module, name, kind, text in objects[: source.limit]:
        question = PHRASINGS[stable_number(name) % len(PHRASINGS)].format(kind=kind, name=name)
        row = Row(name, {"object": name, "kind": kind, "question": question, "answer": text})
        content = Content("chat", [user(question)], [assistant(text)], label=kind, group=module)
        metadata = {"object": name, "python": platform.python_version()}
        builder.add(row, content, source.licence, metadata)
    return builder.build()


def _documented_objects() -> Iterator[tuple[str, str, str, str]]:
    """Module, qualified name, kind and documentation, found by a child process that imports all modules."""
    command = [sys.executable, "-I", "-S", stdlib_walk.__file__]
    walk = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if walk.returncode != 0:
        raise SourceError(f"reading the standard library's documentation failed:\n{walk.stderr.strip()}")
    for line in walk.stdout.splitlines():
        module, name, kind, text = json.loads(line)
        yield module, name, kind, text
