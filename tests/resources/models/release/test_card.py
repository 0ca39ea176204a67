"""The text of a model card."""

import yaml

from fineline.resources.models.release.card import model_card
from fineline.resources.models.release.card_facts import CardFacts, CheckFacts, SourceFacts

FACTS = CardFacts(
    recipe="quickstart",
    model="sft_model",
    base_model="SmolLM2-135M-Instruct",
    base_licence="Apache-2.0",
    release="4f2a9c",
    sources=[SourceFacts(source="docs", licence="PSF-2.0", raw=1200, scrubbed=1190, curated=900, trained=400)],
    splits={"train": 810, "validation": 45, "test": 45},
    stages=[
        {
            "stage": {"name": "sft", "steps": 60, "lora": {"rank": 16, "alpha": 32}, "learning_rate": 0.0005},
            "rows": 400,
            "first_loss": 2.5,
            "last_loss": 1.25,
            "validation": [{"step": 0, "loss": 2.4}, {"step": 60, "loss": 1.5}],
            "train_seconds": 95.4,
        }
    ],
    losses={"sft_model": (1.5, 1.4, 1.6)},
    scores={"sft_model": {"rouge_l": 0.31, "preference_accuracy": None}},
    confidence=0.95,
    test_rows=45,
    reasons=["sft improves on base by +0.9 nats a token."],
    checks=[CheckFacts(name="no_leak", passed=True, finding="0 groups | 0 pairs cross splits")],
)


def test_front_matter_is_yaml_that_the_hub_reads():
    fields = yaml.safe_load(model_card(FACTS).split("---")[1])
    assert fields["license"] == "apache-2.0"
    assert fields["base_model"] == "SmolLM2-135M-Instruct"
    assert fields["pipeline_tag"] == "text-generation"


def test_card_states_data_training_scores_checks_and_limits_with_figures():
    card = model_card(FACTS)
    assert "| docs | PSF-2.0 | 1,200 | 1,190 | 900 | 400 |" in card
    settings = "steps 60, learning_rate 0.0005, lora rank 16, lora alpha 32"
    assert f"| sft | 400 | {settings} | 2.500 → 1.250 | 2.400 → 1.500 | 95 s |" in card
    assert "| sft_model | 1.500 (1.400 to 1.600) | 0.310 | – |" in card
    assert "- sft improves on base by +0.9 nats a token." in card
    assert "0 groups \\| 0 pairs cross splits" in card
    assert "not tested for safety" in card


def test_a_stage_without_validation_rows_has_no_validation_loss():
    (stage,) = FACTS.stages
    card = model_card(FACTS.model_copy(update={"stages": [{**stage, "validation": []}]}))
    assert "| 2.500 → 1.250 | – → – | 95 s |" in card


def test_front_matter_has_the_figures_of_the_released_model_alone():
    losses = {**FACTS.losses, "base_model": (3.0, 2.9, 3.1)}
    scores = {**FACTS.scores, "base_model": {"rouge_l": 0.2, "preference_accuracy": 0.5}}
    facts = FACTS.model_copy(update={"losses": losses, "scores": scores})
    (model,) = yaml.safe_load(model_card(facts).split("---")[1])["model-index"]
    (result,) = model["results"]
    assert [(each["type"], each["value"]) for each in result["metrics"]] == [("loss", 1.5), ("rouge", 0.31)]


def test_names_that_look_like_markdown_templates_or_front_matter_stay_text_in_their_cell():
    hostile = "a|b\\|c\n---\nlicense: evil {{ 7*7 }} {% raw %}"
    source = FACTS.sources[0].model_copy(update={"source": hostile, "licence": hostile})
    card = model_card(FACTS.model_copy(update={"sources": [source], "base_model": hostile}))
    (row,) = [line for line in card.splitlines() if "1,200" in line]
    assert row.startswith("| a\\|b\\\\\\|c --- license: evil {{ 7\\*7 }} {% raw %} | a")
    assert yaml.safe_load(card.split("\n---\n")[0])["base_model"] == hostile
    assert yaml.safe_load(card.split("\n---\n")[0])["license"] == "apache-2.0"
