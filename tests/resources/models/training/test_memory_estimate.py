import pytest
from support.model_tasks import dpo_stage, sft_stage

from fineline.resources.models.base.folders import count_parameters
from fineline.resources.models.training.memory_estimate import ModelShape, check_memory, estimate_memory, shape_of
from fineline.resources.models.worker.protocol import ModelError

SMOLLM2 = ModelShape(parameters=134_515_008, vocabulary=49_152, hidden=576, intermediate=1536, layers=30)


def test_shape_is_read_from_the_files(tiny_model_folder):
    shape = shape_of(tiny_model_folder)
    assert (shape.hidden, shape.intermediate, shape.layers) == (32, 64, 2)
    assert shape.parameters == count_parameters(tiny_model_folder) > 32 * shape.vocabulary


def test_memory_grows_with_batch_length_and_second_answers():
    def need(stage, length=256):
        return estimate_memory(SMOLLM2, stage, dtype="bfloat16", longest_row=length)

    assert need(sft_stage(batch_size=8)) < need(sft_stage(batch_size=16)) < need(dpo_stage(batch_size=16))
    assert need(sft_stage(), 128) < need(sft_stage(), 256)


def test_training_that_cannot_fit_is_refused_with_figures_and_what_to_lower():
    with pytest.raises(ModelError, match=r"needs about [\d,]+ MB of memory, and [\d,]+ MB are available. Lower batch"):
        check_memory(SMOLLM2, sft_stage(batch_size=100_000), dtype="bfloat16", longest_row=512)
