"""The wheel, installed beside nothing of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDERS = ("assets", "data_contracts", "jobs", "resources", "schedules")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the sources: what an earlier build left in the checkout cannot fill a gap."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "sources"
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md"):
        shutil.copy(ROOT / name, copy)
    build = ["wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
    subprocess.run([*PIP, *build], check=True)
    (built,) = folder.glob("*.whl")
    return built


def bare_environment(folder):
    """A new virtual environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder


def install(environment, *arguments):
    python = environment / "bin" / "python"
    subprocess.run([*PIP, "--python", str(python), "install", "--no-compile", *map(str, arguments)], check=True)


def run_in(environment, folder, program, *arguments):
    """Run a program of an environment with no path to the checkout; returns what the program prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FINELINE", "DAGSTER"))}
    done = subprocess.run(
        [str(environment / "bin" / program), *arguments],
        cwd=folder,
        env={**kept, "PYTHONNOUSERSITE": "1", "FINELINE_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def site_packages(environment):
    return environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment that holds the wheel alone, and finds the dependencies where this one has them.

    They are on the path by a file in which Python reads no further such files: an editable installation of the
    checkout, which is one of those, stays without effect.
    """
    environment = bare_environment(tmp_path_factory.mktemp("outside") / "environment")
    (site_packages(environment) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install(environment, "--no-deps", "--no-index", "--ignore-installed", wheel)
    return environment


def loads_its_definitions(environment, folder):
    program = (
        "import json, fineline.jobs, fineline.jobs.definitions as d\n"
        "print(json.dumps([list(fineline.jobs.__path__), len(d.defs.resolve_asset_graph().get_all_asset_keys())]))"
    )
    path, assets = json.loads(run_in(environment, folder, "python", "-I", "-W", "ignore", "-c", program))
    assert path == [str(site_packages(environment) / "fineline" / "jobs")]
    return assets > 15


def plans_a_shipped_recipe(environment, folder):
    lines = run_in(environment, folder, "fineline", "plan").splitlines()
    verbs = {line.partition(" ")[0] for line in lines}
    return any(line.startswith("make  raw_corpus[") for line in lines) and "skip" not in verbs


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("fineline/")}
    files = {
        f"fineline/{path.relative_to(ROOT).as_posix()}"
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == files


def test_the_definitions_load_from_the_wheel(environment, tmp_path):
    assert loads_its_definitions(environment, tmp_path)


def test_the_command_plans_a_shipped_recipe_from_the_wheel(environment, tmp_path):
    assert plans_a_shipped_recipe(environment, tmp_path)


def test_the_command_prints_the_schema_of_recipes_from_the_wheel(environment, tmp_path):
    assert "sources" in json.loads(run_in(environment, tmp_path, "fineline", "schema"))["properties"]


def test_every_package_that_the_code_imports_is_a_declared_dependency():
    def plain(name):
        return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()

    graph = grimp.build_graph(*(f"fineline.{name}" for name in FOLDERS), include_external_packages=True, cache_dir=None)
    imported = {name for name in graph.modules if not name.startswith("fineline.")} - sys.stdlib_module_names
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {plain(each) for each in project["dependencies"]}
    distributions = packages_distributions()
    assert {name for name in imported if not {plain(each) for each in distributions[name]} & declared} == set()


@pytest.mark.rare
@pytest.mark.timeout(3600)
def test_the_wheel_works_with_its_dependencies_from_the_package_index(wheel, tmp_path):
    environment = bare_environment(tmp_path / "environment")
    constraints = ["--constraint", ROOT / "constraints.txt"]
    install(environment, *constraints, "torch")
    install(environment, *constraints, wheel)
    assert loads_its_definitions(environment, tmp_path)
    assert plans_a_shipped_recipe(environment, tmp_path)
