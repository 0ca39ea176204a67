import json
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import psutil
import pytest
from support.model_tasks import chats, run_task, sft_stage, write_jsonl, write_parquet, write_task

from fineline.resources.core.recipe.models import FolderModel
from fineline.resources.models.base.tasks import CountTokens, PrepareBase, TokenCounts
from fineline.resources.models.training.tasks import Train
from fineline.resources.models.worker.protocol import COMMAND, ModelError, clear, from_plain, read_result, to_plain


def count_task(model: Path, folder: Path, **values) -> CountTokens:
    rows = write_parquet(folder / "rows.parquet", chats(5))
    return CountTokens(
        **{"output": str(folder / "out"), "model": str(model), "rows": rows, "maximum_tokens": 512, **values}
    )


def train_task(model: Path, folder: Path, rows: list, steps: int) -> Train:
    return Train(
        output=str(folder / "out"),
        model=str(model),
        train=write_jsonl(folder / "train.jsonl", rows),
        checkpoints=str(folder / "checkpoints"),
        adapter_base="tiny",
        dtype="float32",
        threads=1,
        stage=sft_stage(steps=steps, batch_size=2),
    )


def test_tasks_survive_json(tiny_model_folder, tmp_path):
    for task in (count_task(tiny_model_folder, tmp_path), train_task(tiny_model_folder, tmp_path, chats(2), 3)):
        assert from_plain(json.loads(json.dumps(to_plain(task)))) == task


def test_a_task_names_the_class_of_its_result_once():
    assert CountTokens.result is TokenCounts


def test_relative_paths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="output"):
        CountTokens(output="out", model="/m", rows="/r", maximum_tokens=16)


def test_light_half_imports_neither_torch_nor_transformers():
    names = (
        "base.checks base.folders base.tasks evaluation.promotion evaluation.statistics evaluation.tasks "
        "release.card_facts release.package release.tasks training.memory_estimate training.methods training.tasks "
        "worker.protocol"
    )
    imports = "; ".join(f"import fineline.resources.models.{name}" for name in names.split())
    code = f"import sys; {imports}; print([m for m in ('torch', 'transformers', 'dagster_pipes') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.model
def test_worker_answers_and_its_lines_reach_the_log(tiny_model_folder, tmp_path):
    lines: list[str] = []
    result = run_task(count_task(tiny_model_folder, tmp_path), lines.append)
    assert result.rows == 5
    assert result.seconds > 0
    assert lines[0] == "counted the tokens of 5 rows"
    assert lines[1].startswith("CountTokens: ")
    assert len(lines) == 2


@pytest.mark.model
def test_error_that_a_user_can_mend_arrives_as_message_and_fix(tmp_path):
    source = FolderModel(kind="folder", path=tmp_path / "none")
    task = PrepareBase(output=str(tmp_path / "out"), source=source)
    with pytest.raises(ModelError) as caught:
        run_task(task)
    assert caught.value.message == f"The base model's folder does not exist: {tmp_path / 'none'}."
    assert caught.value.fix.startswith("Give base_model.path a folder")
    assert not (tmp_path / "out" / "result.json").exists()


@pytest.mark.model
def test_broken_worker_leaves_the_end_of_what_it_wrote(tiny_model_folder, tmp_path):
    task = count_task(tiny_model_folder, tmp_path, rows=str(tmp_path / "nowhere.parquet"))
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_task(task)
    assert "FileNotFoundError" in caught.value.stderr


def test_result_of_an_earlier_run_is_never_taken_for_a_new_one(tiny_model_folder, tmp_path):
    task = count_task(tiny_model_folder, tmp_path)
    output = Path(task.output)
    output.mkdir()
    (output / "result.json").write_text("{}")
    clear(output)
    with pytest.raises(FileNotFoundError):
        read_result(task)


@pytest.mark.model
@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning", "ignore::dagster.BetaWarning")
def test_worker_takes_its_task_from_dagster_pipes(tiny_model_folder, tmp_path):
    task = count_task(tiny_model_folder, tmp_path)
    Path(task.output).mkdir()

    @dg.asset
    def counts(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        worker = dg.PipesSubprocessClient()
        run = worker.run(context=context, command=COMMAND, extras=to_plain(task))
        return run.get_materialize_result()

    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([counts], instance=instance).success
    assert read_result(task).rows == 5


@pytest.mark.model
@pytest.mark.skipif(sys.platform != "linux", reason="the request to die with the parent is Linux's")
def test_worker_dies_with_the_process_that_started_it(tiny_model_folder, tmp_path):
    task = train_task(tiny_model_folder, tmp_path, chats(), 1_000_000)
    task_file = write_task(task)
    code = "import subprocess, sys; subprocess.run(sys.argv[1:])"
    parent = subprocess.Popen([sys.executable, "-c", code, *COMMAND, task_file])
    curve = Path(task.output) / "curve.jsonl"
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
