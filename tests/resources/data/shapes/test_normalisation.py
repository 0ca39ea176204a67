import unicodedata

import pytest
from ftfy.badness import is_bad
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fineline.resources.data.shapes.normalisation import SUSPECT, normalise

ODD = st.text(st.sampled_from("aÃ©â€™Â \x80\x9f\x00\x1b\r\n\t ́eÅ\u0958\ufeffœŒà°²вЂ漢👩‍👩‍👧א\u200f\xa0\xad"))


@pytest.mark.parametrize(
    ("text", "normal", "kinds"),
    [
        ("plain\n\ttext", "plain\n\ttext", set()),
        ("sch\u00c3\u00b6n", "schön", {"encoding"}),
        ("itâ€™s\nfine", "it’s\nfine", {"encoding"}),
        ("cafe\u0301", "café", {"unicode form"}),
        ("a\r\nb\rc", "a\nb\nc", {"line ends"}),
        ("a\x00b\x1bc\x7f", "abc", {"control characters"}),
        ("\ufeffa", "a", {"control characters"}),
        (" \n a \n", "a", {"surrounding space"}),
        ("Ã\x00©", "é", {"control characters", "encoding"}),
    ],
)
def test_a_text_is_brought_into_normal_form_and_what_changed_is_named(text, normal, kinds):
    assert normalise(text) == (normal, kinds)


@pytest.mark.parametrize(
    "text",
    [
        "    def f():\n        return 1",
        "if a:\n\tb  =  1\n\n\n\tc",
        "“quotes” and ‘others’, ﬁne ligatures, ＦＵＬＬ width, a\u00a0space",
        "x &lt; y &amp; <b>z</b>",
        "שלום\u200f עולם \u202bab\u202c",
        "👩\u200d👩\u200d👧 ❤️ 🏴\U000e0067\U000e0062\U000e007f",
        "中文，日本語、ไทย",
        "naïve façade, Ångström, Œuvre, 20 °C",
    ],
)
def test_code_quotes_right_to_left_text_and_emoji_stay_as_they_are(text):
    assert normalise(text) == (text, frozenset())


@settings(deadline=None)
@given(st.text() | ODD)
@example("Ã\x00©")
@example("\u0958\x80")
@example("\u20ac\xa9\x81")
@example("\xc3\u20ac\x80")
def test_what_is_normal_stays_as_it_is(text):
    once, _ = normalise(text)
    assert normalise(once) == (once, frozenset())
    assert unicodedata.is_normalized("NFC", once)


@settings(deadline=None)
@given(st.text() | ODD)
def test_a_change_is_named_and_no_other(text):
    normal, kinds = normalise(text)
    assert (normal != text) == bool(kinds)


@settings(deadline=None)
@given(st.text() | ODD)
@example("voilÃ  tout")
@example("œ.")
def test_texts_without_suspect_characters_are_not_called_bad(text):
    assert SUSPECT.search(text) or not is_bad(text)


def test_html_goes_only_where_it_is_asked_for():
    html = "<p>One &amp; <b>two</b></p><script>x()</script><ul><li>a<li>b</ul><pre>  k\n  l</pre>"
    assert normalise(html) == (html, frozenset())
    assert normalise(html, strip_html=True) == ("One & two\n\na\nb\n  k\n  l", {"html"})
