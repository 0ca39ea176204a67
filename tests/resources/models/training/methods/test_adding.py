"""A toy method, added to a copy of the code by the four edits that CONTRIBUTING.md names."""

import json
from pathlib import Path

import pytest
from support.model_tasks import chats, write_jsonl
from support.toys import copy_code, edit, run

SETTINGS = '''\
class ToyStage(TrainingStage):
    """Supervised fine-tuning with noise in the embeddings (Jain et al. 2023)."""

    dataset = catalog.SFT_DATASET

    name: StageName = "noisy"
    method: Literal["toy"]
    steps: Steps = 2
    learning_rate: LearningRate = 1e-4
    noise: float = Field(5.0, gt=0)


AnyStage = Annotated[ToyStage | '''
METHOD = '''\
"""A toy: supervised fine-tuning with noise in the embeddings."""

from typing import Any

from fineline.resources.core.recipe.training import ToyStage
from fineline.resources.models.training.methods.base import Method


class Toy(Method[ToyStage]):
    settings = ToyStage
    makes = "The model after noisy fine-tuning"

    def trainer(self, stage: ToyStage, parts: dict[str, Any], arguments: dict[str, Any]) -> Any:
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        return SFTTrainer(**parts, args=SFTConfig(**arguments, neftune_noise_alpha=stage.noise))
'''
RECIPE = """\
name: toy
sources: [{name: docs, kind: python_docs}]
datasets: {sft: {}}
training: {stages: [{method: sft}, {method: toy, noise: 3}]}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A folder with the code, the toy among it, for PYTHONPATH."""
    folder = tmp_path_factory.mktemp("toy")
    code = copy_code(folder)
    methods = code / "resources/models/training/methods"
    edit(code / "resources/core/recipe/training.py", "AnyStage = Annotated[", SETTINGS)
    (methods / "toy.py").write_text(METHOD)
    table = methods / "__init__.py"
    edit(table, "(Pretraining(), ", "(Toy(), Pretraining(), ")
    edit(table, "\n\nMETHODS", "\nfrom fineline.resources.models.training.methods.toy import Toy\n\nMETHODS")
    (folder / "toy.yaml").write_text(RECIPE)
    return folder


def test_its_model_is_in_the_graph_with_its_description(copy):
    code = (
        "from fineline.jobs.definitions import build\n"
        "for spec in build('toy.yaml').resolve_all_asset_specs():\n"
        "    if spec.key.to_user_string() == 'noisy_model':\n"
        "        print(spec.description.splitlines()[0], sorted(d.asset_key.to_user_string() for d in spec.deps))\n"
    )
    assert run(copy, "-c", code).splitlines() == [
        "The model after noisy fine-tuning, as adapter and as merged weights. "
        "['retrain_decision', 'sft_dataset', 'sft_model']"
    ]


@pytest.mark.model
def test_a_worker_trains_by_it(copy, tiny_model_folder, tmp_path):
    fields = {
        "output": str(tmp_path),
        "stage": {"method": "toy", "batch_size": 2},
        "model": str(tiny_model_folder),
        "train": write_jsonl(tmp_path / "train.jsonl", chats(4)),
        "checkpoints": str(tmp_path / "checkpoints"),
        "adapter_base": "tiny",
        "dtype": "float32",
        "threads": 1,
    }
    task = {"task": "fineline.resources.models.training.tasks:Train", "fields": fields}
    (tmp_path / "task.json").write_text(json.dumps(task))
    run(copy, "-m", "fineline.resources.models.worker", str(tmp_path / "task.json"))
    assert json.loads((tmp_path / "result.json").read_text())["steps"] == 2
