import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fineline.jobs.cli import preflight


def test_an_old_python_is_told_with_how_to_name_another():
    assert "Python 3.10 is too old" in preflight.check_python((3, 10))[0]
    assert preflight.check_python((3, 11)) == []


def test_too_little_disk_says_how_much_is_needed_and_where(tmp_path):
    (problem,) = preflight.check_disk(tmp_path / "not" / "yet", 10**6, "the installation")
    assert problem.startswith("the installation needs 1000000.0 GiB of disk in " + str(tmp_path))
    assert preflight.check_disk(tmp_path, 0.0, "the installation") == []


def test_too_little_memory_says_what_to_lower():
    assert "batch_size" in preflight.check_memory(4.0, available_gib=1.5)[0]
    assert preflight.check_memory(4.0, available_gib=4.0) == []


def test_a_file_where_a_folder_is_needed_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert "FINELINE_HOME" in preflight.check_writable(tmp_path / "file" / "inside")[0]
    assert preflight.check_writable(tmp_path / "new") == []


def test_a_port_in_use_is_told_with_another_to_take():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert preflight.check_port(port) == [
            f"port {port} is in use, perhaps by a UI that is open already. Choose another: make ui PORT={port + 1}"
        ]
    assert preflight.check_port(port) == []
    assert "cannot listen on 203.0.113.7" in preflight.check_port(port, "203.0.113.7")[0]


def test_problems_end_the_program_in_plain_words(capsys):
    with pytest.raises(SystemExit) as ended:
        preflight.stop_with(["one thing is missing"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "Fineline cannot start yet:\n  - one thing is missing\n"


def test_it_runs_before_anything_is_installed(tmp_path):
    command = [sys.executable, "-I", "-S", str(Path(preflight.__file__))]
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
