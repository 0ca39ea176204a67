import json

from fineline.resources.models.base.folders import count_parameters, stop_token_ids


def test_parameters_are_counted_from_the_headers_of_the_files(tiny_model_folder):
    from safetensors.numpy import load_file

    tensors = load_file(tiny_model_folder / "model.safetensors").values()
    assert count_parameters(tiny_model_folder) == sum(tensor.size for tensor in tensors)


def test_stop_tokens_are_those_of_tokenizer_and_generation_config(tmp_path):
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"eos_token_id": [7, 2]}))
    assert stop_token_ids(tmp_path, 2) == [2, 7]
