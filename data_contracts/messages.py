"""Conversations as columns: their type, and expressions for the text in them."""

import dataframely as dy
import polars as pl

MESSAGE_COLUMNS = ("prompt", "completion", "rejected")


def messages(*, nullable: bool = False) -> dy.List:
    """A conversation: a list of ``{role, content}`` messages, TRL's conversational form."""
    message = dy.Struct({"role": dy.String(nullable=False), "content": dy.String(nullable=False)}, nullable=False)
    return dy.List(message, nullable=nullable)


def contents(column: str, *, system: bool = True) -> pl.Expr:
    """The contents of a conversation's messages, one a line; without ``system``, system messages are left out."""
    message = pl.element() if system else pl.element().filter(pl.element().struct.field("role") != "system")
    return pl.col(column).list.eval(message.struct.field("content")).list.join("\n")


def content_length(column: str) -> pl.Expr:
    """The number of characters in a conversation, not counting white space at the ends of each message."""
    content = pl.element().struct.field("content").str.strip_chars().str.len_chars()
    return pl.col(column).list.eval(content).list.sum()


def joined_contents(*columns: str) -> pl.Expr:
    """The contents of these columns' messages, one a line; an empty text where there are none."""
    filled = [pl.when(content != "").then(content) for content in map(contents, columns)]
    return pl.concat_str(filled, separator="\n", ignore_nulls=True)


def record_text(records: pl.DataFrame) -> pl.Series:
    """Each record as one text: the contents of prompt, completion and rejected, one a line."""
    return records.select(text=joined_contents(*MESSAGE_COLUMNS)).to_series()
