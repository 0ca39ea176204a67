import pytest
from support.model_tasks import dpo_stage, sft_stage

from fineline.resources.models.training.memory_estimate import check_memory, estimate_memory
from fineline.resources.models.worker.protocol import ModelError

SMOLLM2 = {"vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}


def test_memory_grows_with_batch_length_and_second_answers():
    def need(stage, length=256):
        return estimate_memory(134_515_008, SMOLLM2, stage, dtype="bfloat16", longest_row=length)

    assert need(sft_stage(batch_size=8)) < need(sft_stage(batch_size=16)) < need(dpo_stage(batch_size=16))
    assert need(sft_stage(), 128) < need(sft_stage(), 256)


def test_training_that_cannot_fit_is_refused_with_figures_and_what_to_lower(tiny_model_folder):
    with pytest.raises(ModelError, match=r"needs about [\d,]+ MB of memory, and [\d,]+ MB are available. Lower batch"):
        check_memory(tiny_model_folder, sft_stage(batch_size=100_000_000), dtype="bfloat16", longest_row=512)
