"""The wheel, installed beside nothing of the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

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


@pytest.fixture(scope="module")
def outside(wheel, tmp_path_factory):
    """Runs a command of an environment that holds the wheel and its dependencies; returns what the command prints.

    The dependencies are those of this environment, on the path by a file in which Python reads no further such files:
    an editable installation of the checkout, which is one of those, stays without effect.
    """
    folder = tmp_path_factory.mktemp("outside")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    site = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = ["install", "--no-deps", "--no-index", "--ignore-installed", "--no-compile", str(wheel)]
    subprocess.run([*PIP, "--python", str(environment / "bin" / "python"), *install], check=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FINELINE", "DAGSTER"))}

    def run(program, *arguments):
        done = subprocess.run(
            [str(environment / "bin" / program), *arguments],
            cwd=folder,
            env={**kept, "PYTHONNOUSERSITE": "1", "FINELINE_HOME": str(folder / "home")},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.site = site
    return run


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


def test_the_definitions_load_from_the_wheel(outside):
    program = (
        "import json, fineline.jobs, fineline.jobs.definitions as d\n"
        "print(json.dumps([list(fineline.jobs.__path__), len(d.defs.resolve_asset_graph().get_all_asset_keys())]))"
    )
    path, assets = json.loads(outside("python", "-I", "-W", "ignore", "-c", program))
    assert path == [str(outside.site / "fineline" / "jobs")]
    assert assets > 15


def test_the_command_plans_a_shipped_recipe_from_the_wheel(outside):
    lines = outside("fineline", "plan").splitlines()
    assert any(line.startswith("make  raw_corpus[") for line in lines)
    assert not [line for line in lines if line.startswith("skip")]


def test_the_command_prints_the_schema_of_recipes_from_the_wheel(outside):
    assert "sources" in json.loads(outside("fineline", "schema"))["properties"]
