"""The documentation of Python's standard library as questions and answers."""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator

from fineline.resources.core.recipe.sources import PythonDocs
from fineline.resources.data.formats.rows import PassingError, Row
from fineline.resources.data.shapes.content import BatchBuilder, BatchRows, Content
from fineline.resources.data.shapes.conversations import assistant, user
from fineline.resources.data.sources import stdlib_walk
from fineline.resources.data.sources.batch import Batch
from fineline.resources.data.sources.connector import Connector

PHRASINGS = [
    "What does the {kind} `{name}` do in Python?",
    "Explain the Python {kind} `{name}`.",
    "What does Python's documentation say about `{name}`?",
    "How would you describe the {kind} `{name}` of Python's standard library?",
    "I came across `{name}` in some Python code. What is it for?",
    "Give me the documentation of the Python {kind} `{name}`.",
]


class PythonDocsConnector(Connector[PythonDocs]):
    """The standard library of the running Python."""

    def batches(self, source: PythonDocs) -> list[Batch]:
        """One batch; its content is the Python implementation, its version and the platform."""
        return [Batch("all", f"{platform.python_implementation()}-{platform.python_version()}-{sys.platform}")]

    def read(self, source: PythonDocs, key: str, batch: Batch) -> Iterator[BatchRows]:
        """A chat record for each documented public object: group is its module, label its kind.

        Inherited methods count under each class, so many answers repeat: near and exact duplicates as real
        corpora have them. The order is by hash of the name, so that a limit takes a sample of all modules.
        """
        builder = BatchBuilder(source.name, key)
        objects = sorted(_documented_objects(), key=lambda each: (_number(each[1]), each))
        for module, name, kind, text in objects[: source.limit]:
            question = PHRASINGS[_number(name) % len(PHRASINGS)].format(kind=kind, name=name)
            row = Row(name, {"object": name, "kind": kind, "question": question, "answer": text})
            content = Content("chat", [user(question)], [assistant(text)], label=kind, group=module)
            metadata = {"object": name, "python": platform.python_version()}
            builder.add(row, content, source.licence, metadata)
        yield builder.build()


def _number(text: str) -> int:
    """A number that depends on the text alone, unlike ``hash()``, which changes from run to run."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _documented_objects() -> list[list[str]]:
    """Module, qualified name, kind and documentation, found by a child process that imports all modules."""
    command = [sys.executable, "-I", "-S", stdlib_walk.__file__]
    walk = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    if walk.returncode != 0:
        raise PassingError(f"reading the standard library's documentation failed:\n{walk.stderr.strip()}")
    return [json.loads(line) for line in walk.stdout.splitlines()]
