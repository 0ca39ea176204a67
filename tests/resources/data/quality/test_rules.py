import pytest

from fineline.data_contracts.curation import RecordQuality
from fineline.resources.core.recipe.curation import Quality, TextQuality
from fineline.resources.data.quality.rules import RULES, Rule

NAMES = [rule.name for rule in RULES]
# Each limit set, so that every rule has its condition.
STRICT = Quality(
    minimum_words=1,
    languages=["en"],
    texts=TextQuality(
        minimum_mean_word_length=3,
        maximum_marks_per_word=0.1,
        minimum_alphabetic_word_share=0.8,
        minimum_stop_words=2,
        minimum_punctuated_line_share=0.12,
        maximum_short_line_share=0.67,
    ),
)


def test_no_two_rules_share_a_name():
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_looks_at_measures_that_are_stored_and_at_the_kind(rule: Rule):
    measures = set(rule.broken(STRICT).meta.root_names())
    assert measures - {"kind"}
    assert measures <= {*RecordQuality.column_names(), "kind"}


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_has_an_explanation_in_one_sentence(rule: Rule):
    assert rule.explanation.endswith(".")
