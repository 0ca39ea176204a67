import json
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from support.model_tasks import chats, write_jsonl, write_parquet

from fineline.resources.core.recipe.models import FolderModel, SftStage
from fineline.resources.models.worker import client
from fineline.resources.models.worker.errors import ModelError
from fineline.resources.models.worker.tasks import SPEC, CountTokens, PrepareBase, TrainSft


def count_spec(model: Path, folder: Path, **values) -> CountTokens:
    rows = write_parquet(folder / "rows.parquet", chats(5))
    return CountTokens(
        **{"output": str(folder / "out"), "model": str(model), "rows": rows, "maximum_tokens": 512, **values}
    )


def train_spec(model: Path, folder: Path, rows: list, steps: int) -> TrainSft:
    return TrainSft(
        output=str(folder / "out"),
        model=str(model),
        train=write_jsonl(folder / "train.jsonl", rows),
        checkpoints=str(folder / "checkpoints"),
        adapter_base="tiny",
        dtype="float32",
        threads=1,
        stage=SftStage(steps=steps, batch_size=2),
    )


def test_specs_survive_json(tiny_model_folder, tmp_path):
    for spec in (count_spec(tiny_model_folder, tmp_path), train_spec(tiny_model_folder, tmp_path, chats(2), 3)):
        assert SPEC.validate_json(spec.model_dump_json()) == spec
        assert SPEC.validate_python(client.extras(spec)["spec"]) == spec


def test_relative_paths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="output"):
        CountTokens(output="out", model="/m", rows="/r", maximum_tokens=16)


def test_client_half_imports_neither_torch_nor_transformers():
    names = (
        "base.checks base.folders evaluation.held_out evaluation.promotion evaluation.statistics release.card "
        "release.card_facts release.package training.memory_estimate worker.client worker.tasks"
    )
    imports = "; ".join(f"import fineline.resources.models.{name}" for name in names.split())
    code = f"import sys; {imports}; print([m for m in ('torch', 'transformers', 'dagster_pipes') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.model
def test_worker_answers_and_its_lines_reach_the_log(tiny_model_folder, tmp_path):
    lines: list[str] = []
    result = client.run_task(count_spec(tiny_model_folder, tmp_path), log=lines.append)
    assert result.rows == 5
    assert result.seconds > 0
    assert lines[0] == "counted the tokens of 5 rows"
    assert lines[1].startswith("count_tokens: ")
    assert len(lines) == 2


@pytest.mark.model
def test_error_that_a_user_can_mend_arrives_as_message_and_fix(tmp_path):
    source = FolderModel(kind="folder", path=tmp_path / "none")
    spec = PrepareBase(output=str(tmp_path / "out"), source=source)
    with pytest.raises(ModelError) as caught:
        client.run_task(spec)
    assert caught.value.message == f"The base model's folder does not exist: {tmp_path / 'none'}."
    assert caught.value.fix.startswith("Give base_model.path a folder")
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.model
def test_broken_worker_leaves_the_end_of_what_it_wrote(tiny_model_folder, tmp_path):
    spec = count_spec(tiny_model_folder, tmp_path, rows=str(tmp_path / "nowhere.parquet"))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        client.run_task(spec)
    assert "FileNotFoundError" in caught.value.output


def test_result_of_an_earlier_run_is_never_taken_for_a_new_one(tiny_model_folder, tmp_path):
    spec = count_spec(tiny_model_folder, tmp_path)
    output = Path(spec.output)
    output.mkdir()
    (output / "result.json").write_text("{}")
    client.clear(output)
    with pytest.raises(FileNotFoundError):
        client.read_result(spec)


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning", "ignore::dagster.BetaWarning")
def test_worker_takes_its_spec_from_dagster_pipes(tiny_model_folder, tmp_path):
    spec = count_spec(tiny_model_folder, tmp_path)
    Path(spec.output).mkdir()

    @dg.asset
    def counts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        worker = dg.PipesSubprocessClient()
        run = worker.run(context=context, command=client.command(), extras=client.extras(spec))
        return run.get_materialize_result()

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([counts], instance=instance).success
    assert client.read_result(spec).rows == 5


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="the request to die with the parent is Linux's")
def test_worker_dies_with_the_process_that_started_it(tiny_model_folder, tmp_path):
    spec = train_spec(tiny_model_folder, tmp_path, chats(), 1_000_000)
    Path(spec.output).mkdir()
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", code, *client.command(tmp_path / "spec.json")])
    curve = Path(spec.output) / "curve.jsonl"
    deadline = time.monotonic() + 90
    while not (curve.exists() and curve.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    (worker,) = psutil.Process(parent.pid).children()
    assert worker.is_running()
    parent.kill()
    parent.wait()
    gone, alive = psutil.wait_procs([worker], timeout=10)
    assert (len(gone), alive) == (1, [])
    assert json.loads(curve.read_text().splitlines()[0])["step"] == 1
