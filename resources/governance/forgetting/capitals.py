"""A reading of strings that keeps what comparable form drops: which words are written as names are.

Only in this reading is a name found with the surname first, with a middle initial or, if it is short, in one word, or
"Smith will come" would be about Will Smith. ``+`` precedes a word with a capital, a part of CamelCase or of snake_case;
``=`` precedes the local part of an address, a handle, or the name of a file. All other words, and the ends of sentences
and lines, are ``.``.
"""

from __future__ import annotations

import polars as pl

NAMED = "+"
JOINED = "="
_WORD = r"[\p{L}\p{M}]+"
_UPPER = r"[\p{Lu}\p{Lt}]"
# CamelCase, and words that touch others. Runs of digits and letters, such as base64, are none.
HUMP = r"([\p{Ll}\p{Lu}]\p{M}*)(\p{N})|(\p{Ll}\p{M}*)([\p{Lu}\p{Lo}])"
_APART = (
    (r"\b(?:[a-z0-9]|[A-Za-z]+[0-9])[A-Za-z0-9]{14,}", " . "),
    (HUMP, "${1}${3} ${2}${4}"),
)
# Each replaces what it finds; a capital is a letter of a script without lower case as well.
_STEPS = (
    (rf"({_WORD})\.({_WORD})@", f" {NAMED}${{1}} {NAMED}${{2}} . "),
    (rf"\b({_WORD})@", f" {JOINED}${{1}} {NAMED}${{1}} . "),
    (rf"@({_WORD})\b", f" . {JOINED}${{1}} {NAMED}${{1}} . "),
    (rf"\b({_WORD})\.[a-z][a-z0-9]{{1,3}}\b", f" {JOINED}${{1}} {NAMED}${{1}} . "),
    (rf"({_WORD})_", f" {NAMED}${{1}} _"),
    (rf"_({_WORD})", f" {NAMED}${{1}} "),
    (rf"\b({_UPPER})\.", "${1} "),
    # In capitals, only a comma shows that the surname comes first.
    (rf"({_UPPER}{{2}}) +({_UPPER}{{2}})", "${1} . ${2}"),
    (r",\s+", " "),
    (r"[.?!:\r\n\u2013\u2014]+|\s-+\s", " . "),
    (rf"(^|[^\p{{L}}\p{{M}}\p{{N}}{NAMED}{JOINED}])([\p{{Lu}}\p{{Lt}}\p{{Lo}}])", f"${{1}} {NAMED}${{2}}"),
)


def marked(visible: pl.Expr, between: str, *, apart: bool) -> pl.Expr:
    """The reading of a string column without invisible characters, in Unicode form NFKC; with CamelCase ``apart``."""
    text = visible.str.replace_all(rf"[{NAMED}{JOINED}]", " ")
    for found, instead in (*_APART, *_STEPS) if apart else _STEPS:
        text = text.str.replace_all(found, instead)
    text = text.str.to_lowercase().str.replace_many(["ß", "ς"], ["ss", "σ"])
    text = text.str.replace_all(rf"[^\p{{L}}\p{{M}}\p{{N}}{NAMED}{JOINED}.{between}]+", " ")
    return text.str.replace_all(
        rf"(?:^| )[^{NAMED}{JOINED} {between}][^ {between}]*(?: [^{NAMED}{JOINED} {between}][^ {between}]*)*", " ."
    )
