import json

from fineline.resources.models.base.folders import stop_token_ids


def test_stop_tokens_are_those_of_tokenizer_and_generation_config(tmp_path):
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps({"eos_token_id": [7, 2]}))
    assert stop_token_ids(tmp_path, 2) == [2, 7]
