import re

import pytest
from markdown_it import MarkdownIt
from support.payloads import PAYLOADS

from fineline.resources.core.presentation.inert import as_markdown, fenced, from_markdown, inert, inert_lines, unlinked
from fineline.resources.core.presentation.output import say

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
# What the UI, or GitHub's Markdown, makes a link of without any markup.
LINKED = re.compile(r"(?i)https?://|ftp://|www\.\w|[\w.+-]@[\w-]")


def is_seen(line):
    return line.isprintable() and not re.search("[\u115f\u3164\uffa0\ufe01\U000e0101]", line)


def test_a_hostile_text_is_one_line_in_which_everything_is_seen():
    for payload in PAYLOADS:
        assert is_seen(inert(payload))
        assert inert(inert(payload)) == inert(payload)
        assert all(map(is_seen, inert_lines(payload).split("\n")))


def test_no_address_in_a_log_is_one_to_click_at():
    for payload in PAYLOADS:
        assert LINKED.search(unlinked(payload)) is None
        assert unlinked(unlinked(payload)) == unlinked(payload)


@pytest.mark.parametrize("around", ["{}", "the slice {} lost 0.1 nats", "a [b {} c](d) `e"])
def test_a_hostile_text_in_markdown_is_a_paragraph_of_plain_text(around):
    for payload in PAYLOADS:
        opening, inline, closing = MARKDOWN.parse(as_markdown(around.format(payload)))
        assert (opening.type, closing.type) == ("paragraph_open", "paragraph_close")
        assert {each.type for each in inline.children} <= {"text"}
        text = "".join(each.content for each in inline.children)
        assert text.replace("[:]", ":").replace("[.]", ".").replace("[@]", "@") == " ".join(
            inert(around.format(payload)).split()
        )
        assert LINKED.search(text) is None


def test_a_hostile_text_stays_in_its_cell_of_a_markdown_table():
    for payload in PAYLOADS:
        html = MARKDOWN.render(f"| a | b |\n| --- | --- |\n| {as_markdown(payload)} | second |\n")
        assert html.count("<td>") == 2
        assert "<td>second</td>" in html
        assert not re.search("<(?!/?(table|thead|tbody|tr|th|td)>)", html)


def test_nothing_in_a_fenced_text_ends_its_block():
    for payload in PAYLOADS:
        (block,) = MARKDOWN.parse(fenced(payload, "yaml"))
        assert (block.type, block.info, block.content) == ("fence", "yaml", f"{inert_lines(payload)}\n")


def test_ordinary_text_stays_as_it_is():
    text = "412 of 1,000 rows (41.2%) of sft_dataset are in quarantine, 3 of them by allowed_licences; p = 0.01"
    assert as_markdown(text) == inert(text) == unlinked(text) == text
    assert from_markdown(as_markdown("*a* [b](c_d) 1. `x`\\y #z")) == "*a* [b](c_d) 1. `x`\\y #z"
    assert as_markdown(r"\(x\)") == "&#92;(x&#92;)"
    assert from_markdown(as_markdown(r"\(x\) &#92; \\[")) == r"\(x\) &#92; \\["
    assert from_markdown(as_markdown("1. raw_corpus[docs/0123456789ab]")) == "1. raw_corpus[docs/0123456789ab]"


@pytest.mark.parametrize(
    "text",
    [
        'it\'s "quoted" – ‘so’ “too” … 50 € at https://example.org/a',
        "if x[0] < 3 && y: print(f'{z!r:>8}\\\\n')  # a_b_c **kwargs",
        "می\u200cخواهم קוראים עברית العربية",
        "क्\u200dष ශ්\u200dරී ไทย\u200bคำ ខ្មែរ\u200bភាសា",
        "👨\u200d👩\u200d👧 🏳️\u200d🌈 ❤️\u200d🔥 👍🏽 \U0001fae8 \U0001fadc 1️⃣",
    ],
)
def test_ordinary_text_of_every_script_stays_as_it_is(text):
    assert inert(text) == inert_lines(text) == text
    assert from_markdown(as_markdown(text)).replace("[:]", ":") == " ".join(text.split())


def test_a_joiner_where_it_joins_nothing_is_seen():
    assert inert("pay\u200dpal\u200c👍\u200d x \u200b") == "pay\\u200dpal\\u200c👍\\u200d x \\u200b"


def test_marks_and_signs_of_other_scripts_stay_as_they_are():
    assert inert("日本語 العربية naïve 👍️ e\u0301") == "日本語 العربية naïve 👍️ e\u0301"


def test_a_terminal_gets_no_control(capsys):
    for payload in PAYLOADS:
        say(payload)
        assert all(map(is_seen, capsys.readouterr().out.split("\n")))
