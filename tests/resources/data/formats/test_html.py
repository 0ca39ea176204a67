import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fineline.resources.data.formats.html import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("One &amp; <b>two</b>", "One & two"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("a<br>b<br><br>c", "a\nb\n\nc"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<div>so   much\n  space</div>", "so much space"),
        ("<pre>def f():\n    return 1</pre>", "def f():\n    return 1"),
        ("<head><title>t</title></head><body>seen<script>x < 1</script><style>p {}</style>", "seen"),
        ("<html><head><title>t<body>seen", "seen"),
        ("<!-- hidden -->a<![if !supportLists]>b<![endif]>", "ab"),
        ("no tags, 1 < 2 and 3 > 2", "no tags, 1 < 2 and 3 > 2"),
    ],
)
def test_a_page_gives_the_text_that_its_reader_sees(html, text):
    assert html_to_text(html) == text


@settings(deadline=None)
@given(st.text(st.sampled_from("<>!&;#x[]-/?=' abp\n")))
@example("<![foo]>")
@example("<![CDATA[")
def test_no_text_is_too_odd(html):
    assert len(html_to_text(html)) <= len(html) + html.count("<")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a <!-- b --> c <!-- d", "a c <!-- d"),
        ("a <!-- b", "a <!-- b"),
        ("a <!-- b --> c <!d", "a c <!d"),
        ("a <?b", "a <?b"),
        ("a <?b> c", "a c"),
    ],
)
def test_what_is_opened_and_never_closed_is_text(html, text):
    assert html_to_text(html) == text
