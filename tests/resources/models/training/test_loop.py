import json
import math
from pathlib import Path

import polars as pl
import pytest
from safetensors.numpy import load_file
from support.model_tasks import chats, dpo_stage, preferences, pretraining_stage, sft_stage, texts, write_jsonl

from fineline.resources.models.base.encoding import load_tokenizer
from fineline.resources.models.training.tasks import Train, Trained
from fineline.resources.models.worker.protocol import ModelError

pytestmark = [
    pytest.mark.model,
    # the worker silences third-party warnings for its process; in-process tests do the same
    pytest.mark.filterwarnings("ignore"),
]
SFT = sft_stage(steps=12, batch_size=4, learning_rate=5e-3)


class Interrupted(Exception):
    """Stands for a run that is cut off."""


def sft_task(model: Path, folder: Path, rows=None, **values):
    folder.mkdir(exist_ok=True)
    defaults = {
        "output": str(folder),
        "model": str(model),
        "train": write_jsonl(folder / "train.jsonl", chats() if rows is None else rows),
        "validation": write_jsonl(folder / "validation.jsonl", chats(40)[24:]),
        "checkpoints": str(folder / "checkpoints"),
        "adapter_base": "tiny",
        "dtype": "float32",
        "stage": SFT,
    }
    return Train(**{**defaults, **values})


def train(task, log=lambda line: None) -> Trained:
    from fineline.resources.models.training.loop import run

    Path(task.output).mkdir(exist_ok=True)
    return run(task, log)


def cut_off_at(step: int):
    def log(line: str) -> None:
        if line.startswith(f"step {step} of"):
            raise Interrupted

    return log


@pytest.fixture(scope="module")
def trained(tiny_model_folder, tmp_path_factory) -> Trained:
    return train(sft_task(tiny_model_folder, tmp_path_factory.mktemp("sft")))


def test_sft_lowers_training_and_validation_loss(trained):
    assert trained.steps == 12
    assert trained.last_loss < trained.first_loss - 0.05
    assert [point.step for point in trained.validation] == [0, 6, 12]
    assert trained.validation[2].loss < trained.validation[1].loss < trained.validation[0].loss
    assert trained.tokens_per_second > 0
    assert trained.peak_memory_mb > 100


def test_curve_has_each_step_and_each_validation(trained):
    curve = [json.loads(line) for line in Path(trained.curve).read_text().splitlines()]
    assert [point["step"] for point in curve if "loss" in point] == list(range(1, 13))
    assert [point["step"] for point in curve if "validation_loss" in point] == [0, 6, 12]
    assert curve[1]["loss"] == trained.first_loss


def test_tokens_seen_are_those_of_the_rows_without_padding(trained, tiny_model_folder, tmp_path):
    from fineline.resources.models.base.token_counts import encode_rows

    sides = encode_rows(load_tokenizer(tiny_model_folder), pl.DataFrame(chats()))
    # 12 steps of 4 rows are two passes over 24 rows
    assert trained.tokens == 2 * sum(len(side.ids) for (side,) in sides)


def test_merged_folder_is_a_whole_model_with_the_base_models_chat_template(trained, tiny_model_folder):
    merged = Path(trained.merged)
    names = {path.name for path in merged.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"} <= names
    for name in ("chat_template.jinja", "generation_config.json", "tokenizer.json"):
        assert (merged / name).read_bytes() == (tiny_model_folder / name).read_bytes()
    before, after = load_file(tiny_model_folder / "model.safetensors"), load_file(merged / "model.safetensors")
    assert before.keys() == after.keys()
    changed = {name for name in before if (before[name] != after[name]).any()}
    assert changed == {name for name in before if "_proj" in name}


def test_adapter_names_what_it_sits_on_and_no_path_of_this_machine(trained, tiny_model_folder):
    adapter = Path(trained.adapter)
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny"
    assert (adapter / "adapter_model.safetensors").stat().st_size > 0
    written = [
        path for folder in (adapter, Path(trained.merged)) for path in folder.iterdir() if path.suffix == ".json"
    ]
    assert not [path.name for path in written if str(tiny_model_folder) in path.read_text()]


def test_checkpoints_are_gone_after_success(trained):
    assert not (Path(trained.adapter).parent / "checkpoints").exists()


def test_resumed_run_ends_with_the_weights_and_losses_of_a_straight_run(trained, tiny_model_folder, tmp_path):
    task = sft_task(tiny_model_folder, tmp_path / "cut")
    with pytest.raises(Interrupted):
        train(task, cut_off_at(8))
    resumed = train(task)
    assert resumed.resumed_from == 5
    assert resumed.weights_sha256 == trained.weights_sha256
    assert [point.loss for point in resumed.validation] == [point.loss for point in trained.validation]
    assert Path(resumed.curve).read_text() == Path(trained.curve).read_text()


def test_an_adapter_names_its_modules_in_the_same_order_in_every_process(trained):
    config = json.loads((Path(trained.merged).parent / "adapter" / "adapter_config.json").read_text())
    assert len(config["target_modules"]) > 5
    assert config["target_modules"] == sorted(config["target_modules"])


def test_checkpoint_of_other_rows_is_not_resumed(tiny_model_folder, tmp_path):
    with pytest.raises(Interrupted):
        train(sft_task(tiny_model_folder, tmp_path / "run"), cut_off_at(8))
    assert train(sft_task(tiny_model_folder, tmp_path / "run", chats(23))).resumed_from == 0


def test_checkpoint_that_was_not_written_to_its_end_is_not_resumed(tiny_model_folder, tmp_path):
    task = sft_task(tiny_model_folder, tmp_path / "run")
    with pytest.raises(Interrupted):
        train(task, cut_off_at(8))
    (tmp_path / "run" / "checkpoints" / "checkpoint-5" / "fineline.json").unlink()
    assert train(task).resumed_from == 0


def test_first_dpo_loss_is_ln_2_and_then_falls_as_margins_grow(tiny_model_folder, tmp_path):
    stage = dpo_stage(steps=6, learning_rate=5e-3)
    rows = write_jsonl(tmp_path / "pairs.jsonl", preferences())
    base = sft_task(tiny_model_folder, tmp_path).model_dump(exclude={"stage"})
    result = train(Train(**{**base, "train": rows, "validation": rows, "stage": stage}))
    curve = [json.loads(line) for line in Path(result.curve).read_text().splitlines()]
    assert result.first_loss == pytest.approx(math.log(2), abs=1e-6)
    assert result.validation[0].loss == pytest.approx(math.log(2), abs=1e-6)
    assert result.last_loss < 0.65
    last = next(point for point in curve if point["step"] == 6 and "loss" in point)
    assert last["reward_margin"] > 0.05
    assert last["reward_accuracy"] == 1.0


def test_pretraining_packs_texts_and_lowers_the_loss(tiny_model_folder, tmp_path):
    stage = pretraining_stage(steps=8, batch_size=2, learning_rate=5e-3, maximum_tokens=128)
    base = sft_task(tiny_model_folder, tmp_path).model_dump(exclude={"stage", "validation"})
    rows = write_jsonl(tmp_path / "texts.jsonl", texts())
    result = train(Train(**{**base, "train": rows, "stage": stage}))
    assert result.last_loss < result.first_loss - 0.05
    assert result.validation == []
    assert result.tokens > 8 * 128


def test_packed_texts_do_not_see_each_other(tiny_model_folder):
    """The loss of a packed row is that of its texts alone, weighted by their tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny_model_folder).eval()
    one, two = torch.arange(10, 30).unsqueeze(0), torch.arange(40, 55).unsqueeze(0)
    packed = torch.cat([one, two], dim=1)
    positions = torch.cat([torch.arange(20), torch.arange(15)]).unsqueeze(0)
    with torch.inference_mode():
        together = model(input_ids=packed, position_ids=positions, use_cache=False).logits[0, 20:]
        alone = model(input_ids=two).logits[0]
    assert torch.allclose(together, alone, atol=1e-5)


def test_no_rows_are_refused_with_what_to_do(tiny_model_folder, tmp_path):
    with pytest.raises(ModelError, match=r"There are no training rows in train\.jsonl\. Look at the record ledger"):
        train(sft_task(tiny_model_folder, tmp_path / "run", []))


def test_rows_that_would_be_cut_are_refused_without_quoting_them(tiny_model_folder, tmp_path):
    task = sft_task(tiny_model_folder, tmp_path / "run", stage=SFT.model_copy(update={"maximum_tokens": 16}))
    with pytest.raises(ModelError, match="24 of 24 training rows are longer than maximum_tokens") as caught:
        train(task)
    assert "item" not in str(caught.value)


@pytest.mark.parametrize("packing", [False, True])
def test_our_loss_and_gradients_are_those_of_trls_own_trainer(tiny_model_folder, tmp_path, packing):
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from fineline.resources.models.training.cpu import CpuSFTTrainer

    found = []
    for kind in (SFTTrainer, CpuSFTTrainer):
        model = AutoModelForCausalLM.from_pretrained(tiny_model_folder)
        options = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none"}
        trainer = kind(
            model=model,
            processing_class=load_tokenizer(tiny_model_folder),
            train_dataset=Dataset.from_list(texts(9) if packing else chats(9)),
            args=SFTConfig(output_dir=str(tmp_path), packing=packing, max_length=256, **options),
        )
        batch = trainer.data_collator(list(trainer.train_dataset))
        loss = trainer.compute_loss(model.train(), dict(batch))
        loss.backward()
        found.append((loss.item(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    assert found[1][0] == pytest.approx(found[0][0], abs=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)


def test_our_dpo_steps_are_those_of_trls_own_trainer(tiny_model_folder, tmp_path):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    from fineline.resources.models.training.arguments import lora
    from fineline.resources.models.training.cpu import CpuDPOTrainer

    rows, measured = Dataset.from_list(preferences(9)), ("loss", "grad_norm", "rewards/margins", "rewards/accuracies")
    found = []
    for kind in (DPOTrainer, CpuDPOTrainer):
        options = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none"}
        settings = {"max_steps": 5, "logging_steps": 1, "learning_rate": 1e-2, "beta": 0.3, "save_strategy": "no"}
        trainer = kind(
            model=AutoModelForCausalLM.from_pretrained(tiny_model_folder),
            processing_class=load_tokenizer(tiny_model_folder),
            train_dataset=rows,
            eval_dataset=rows,
            peft_config=lora(dpo_stage()),
            args=DPOConfig(output_dir=str(tmp_path), max_length=256, **options, **settings),
        )
        trainer.train()
        history = [entry[key] for entry in trainer.state.log_history for key in measured if key in entry]
        found.append([*history, trainer.evaluate()["eval_loss"]])
    assert len(found[0]) == 21
    assert found[1] == pytest.approx(found[0], abs=2e-4)
