from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fineline.resources.data.pii.spans import Span, replace, resolve, trim


@st.composite
def text_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(st.text(alphabet="ab é.\n", min_size=1, max_size=40))
    offsets = st.integers(0, len(text))
    spans = draw(
        st.lists(
            st.builds(
                lambda a, b, entity, score: Span(min(a, b), max(a, b), entity, score),
                offsets,
                offsets,
                st.sampled_from(["PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER"]),
                st.sampled_from([0.4, 0.85, 1.0]),
            ).filter(lambda span: span.start < span.end),
            max_size=6,
        )
    )
    return text, spans


@given(text_with_spans())
def test_resolved_spans_are_in_order_and_do_not_overlap(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    resolved = resolve(text, spans)
    assert all(before.end <= after.start for before, after in pairwise(resolved))


@given(text_with_spans())
def test_no_letter_that_was_found_is_left(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    found = {offset for span in spans for offset in range(span.start, span.end)}
    kept = found - {offset for span in resolve(text, spans) for offset in range(span.start, span.end)}
    assert not any(text[offset].isalpha() for offset in kept)


@given(text_with_spans(), st.randoms(use_true_random=False))
def test_the_order_in_which_spans_were_found_does_not_matter(case, random) -> None:
    text, spans = case
    shuffled = list(spans)
    random.shuffle(shuffled)
    assert resolve(text, shuffled) == resolve(text, spans)


@given(text_with_spans())
def test_text_around_spans_stays_as_it_is(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    resolved = resolve(text, spans)
    replaced = replace(text, resolved, lambda span: "\0")
    outside = replace(text, resolved, lambda span: "")
    assert replaced.replace("\0", "") == outside
    assert replaced.count("\0") == len(resolved)
    assert len(text) == len(outside) + sum(span.end - span.start for span in resolved)


def test_the_higher_score_wins() -> None:
    text = "123456789"
    assert resolve(text, [Span(0, 9, "PHONE_NUMBER", 0.4), Span(0, 9, "US_SSN", 0.85)]) == [Span(0, 9, "US_SSN", 0.85)]


def test_of_equal_scores_the_longer_wins() -> None:
    text = "123456789"
    assert resolve(text, [Span(2, 5, "US_SSN", 0.5), Span(0, 9, "PHONE_NUMBER", 0.5)]) == [
        Span(0, 9, "PHONE_NUMBER", 0.5)
    ]


def test_what_a_winner_leaves_of_a_longer_span_stays_a_span() -> None:
    text = "Ann Lee, ann@lee.org"
    resolved = resolve(text, [Span(0, 20, "PERSON", 0.85), Span(9, 20, "EMAIL_ADDRESS", 1.0)])
    assert replace(text, resolved, lambda span: f"<{span.entity}>") == "<PERSON>, <EMAIL_ADDRESS>"


def test_overlapping_spans_of_one_type_are_one_span() -> None:
    text = "0016502532222"
    spans = [Span(0, 9, "PHONE_NUMBER", 0.4), Span(2, 13, "PHONE_NUMBER", 0.5)]
    assert resolve(text, spans) == [Span(0, 13, "PHONE_NUMBER", 0.5)]


def test_trimming_leaves_out_space_and_punctuation() -> None:
    assert trim('say "Paris"\n', Span(4, 12, "LOCATION", 0.85)) == Span(5, 10, "LOCATION", 0.85)
