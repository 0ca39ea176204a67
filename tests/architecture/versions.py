"""Which code stood under which version: a digest of each engine package, recorded beside the numbers it had.

An engine package has a ``version.py``, and its numbers are part of the code versions of assets. When its code changes,
somebody decides: results change, then a number in ``version.py`` is raised; or they are the same. ``make versions``
records the first; ``make versions SAME=resources/data/quality`` records the second.
"""

import argparse
import ast
import json
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = Path(__file__).parent / "versions.json"
VERSION_FILE = "version.py"
# Packages that stand under the version of another one.
UNDER = {
    "resources/data/ingestion": [
        *(f"resources/data/{name}" for name in ("formats", "shapes", "sources")),
        "data_contracts/messages.py",
    ]
}


def packages(root):
    """The engine packages, by their path under ``root``."""
    return {
        path.parent.relative_to(root).as_posix(): path.parent
        for path in sorted((root / "resources").rglob(VERSION_FILE))
    }


def versions(package):
    """The numbers of a package by name."""
    tree = ast.parse((package / VERSION_FILE).read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [node.targets[0] if isinstance(node, ast.Assign) else node.target for node in assigned]
    return {target.id: ast.literal_eval(node.value) for target, node in zip(targets, assigned, strict=True)}


def modules(package, root):
    """The files that stand under the version of a package, without the version itself.

    Packages below it that have a version of their own are left out.
    """
    others = [path.parent for path in package.rglob(VERSION_FILE) if path.parent != package]
    folders = [package, *(root / name for name in UNDER.get(package.relative_to(root).as_posix(), ()))]
    found = {path for each in folders for path in ([each] if each.is_file() else each.rglob("*.py"))}
    files = sorted(path for path in found if path.name != VERSION_FILE)
    return [path for path in files if not any(path.is_relative_to(other) for other in others)]


def digest(package, root):
    """A digest of the syntax trees of a package: comments, docstrings and layout make no difference."""
    files = modules(package, root)
    shapes = {path.relative_to(root).as_posix(): _shape(ast.parse(path.read_text(encoding="utf-8"))) for path in files}
    return sha256(json.dumps(shapes, sort_keys=True).encode()).hexdigest()[:16]


def _shape(node):
    """A syntax tree as lists; fields that are empty are left out, so that every Python gives the same."""
    if isinstance(node, list):
        return [_shape(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_docstring(node):
        fields["body"] = node.body[1:]
    return [type(node).__name__, *([name, _shape(each)] for name, each in fields.items() if each not in (None, []))]


def _has_docstring(node):
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def state(root):
    """What :data:`RECORD` holds of an up-to-date tree."""
    found = packages(root)
    return {name: {"versions": versions(package), "digest": digest(package, root)} for name, package in found.items()}


def undecided(recorded, now):
    """The packages whose code changed under the same numbers."""
    return [
        name
        for name, each in now.items()
        if name in recorded
        and each["versions"] == recorded[name]["versions"]
        and each["digest"] != recorded[name]["digest"]
    ]


def main(root=ROOT, record=RECORD):
    """Record the state of all packages, unless one changed without a decision."""
    parser = argparse.ArgumentParser(description="Record the code of each engine package under its version.")
    parser.add_argument("--same", nargs="*", default=[], metavar="PACKAGE", help="its results are the same as before")
    same = [name.strip("/") for name in parser.parse_args().same]
    recorded, now = json.loads(record.read_text()) if record.exists() else {}, state(root)
    open_questions = [name for name in undecided(recorded, now) if name not in same]
    for name in open_questions:
        print(
            f"{name} changed under {now[name]['versions']}. If its results change, raise the version in "
            f"{name}/{VERSION_FILE} and run make versions; if not: make versions SAME={name}",
            file=sys.stderr,
        )
    if open_questions:
        raise SystemExit(1)
    record.write_text(json.dumps(now, indent=1) + "\n")


if __name__ == "__main__":
    main()
