"""The shape of a batch, found by its columns, and the error where none fits."""

import json
from collections.abc import Collection, Sequence

from fineline.resources.core.presentation.tables import first_few
from fineline.resources.core.recipe.sources import Columns, TableSource
from fineline.resources.data.formats.rows import Row, SourceError
from fineline.resources.data.shapes.shapes import BESIDES, SHAPES, Shape
from fineline.resources.data.shapes.tool_calls import Services

# These go with a shape; they make none.
ADDITIONAL = ("label", "group", "tools", "calls")
MESSAGE = {"role", "from"}
# Other names may be data, as in a file without a header row: messages give the number of the column.
SHOWN = {*Columns.model_fields, *(part for parts in SHAPES for part in parts), "input", "function"}


def find_shape(key: str, rows: Sequence[Row], source: TableSource, services: Services | None = None) -> Shape:
    """The shape of a batch by the columns of its rows; the recipe's mapping goes before known names.

    Raises:
        SourceError: no known shape fits (the message holds a mapping to paste into the recipe), the mapping
            is not complete, or it names a column that the batch does not have.
    """
    seen = list(dict.fromkeys(column for row in rows for column in row.values))
    given: dict[str, str] = source.columns.model_dump(exclude_none=True)
    for part, column in given.items():
        # Calls are named within messages.
        if column not in seen and part != "calls":
            raise SourceError(
                f"{key} has no column '{column}', which the recipe gives as columns.{part}.\n"
                f"  Columns seen: {_listed(seen, given.values())}"
            )
    besides = {part: column for part, column in given.items() if part in ADDITIONAL}
    content = {part: column for part, column in given.items() if part not in besides}
    for parts, read in SHAPES.items():
        if content and set(parts) == set(content):
            return Shape(given, read, source, services)
        if not content and set(parts) <= set(seen):
            named = {part: column for part, column in BESIDES.get(parts, {}).items() if column in seen}
            return Shape({**{part: part for part in parts}, **named, **besides}, read, source, services)
    if not content:
        raise SourceError(_unrecognised(key, seen, rows))
    choices = "; ".join(" + ".join(parts) for parts in SHAPES if set(parts) <= set(Columns.model_fields))
    raise SourceError(f"{key}: columns gives {' + '.join(content)}, which is not enough. Give one of: {choices}.")


def _unrecognised(key: str, seen: Sequence[str], rows: Sequence[Row]) -> str:
    source = key.partition("/")[0]
    longest = _by_length(seen, rows)[:2]
    first, second, *_ = [*sorted(longest, key=seen.index), None, None]
    lines = [
        f"{key}: its columns fit none of the known shapes.",
        f"  Columns seen: {_listed(seen)}",
        f"  Shapes tried: {'; '.join(' + '.join(parts) for parts in SHAPES)}",
        f"  Say which column holds what: paste this under the source {source} and put the names of the columns in.",
        "    columns:",
        f"      prompt: {_to_paste(first, seen)}",
        f"      completion: {_to_paste(second, seen)}",
        "  Or, for plain text:",
        "    columns:",
        f"      text: {_to_paste(longest[0] if longest else None, seen)}",
    ]
    lists = {name for row in rows for name, value in row.values.items() if _is_conversation(value)}
    if lists:
        messages = next(name for name in seen if name in lists)
        lines += ["  Or, for conversations:", "    columns:", f"      messages: {_to_paste(messages, seen)}"]
    if not SHOWN.issuperset(seen):
        lines.append("  Names that may be data are not shown; a CSV file needs a header row.")
    return "\n".join(lines)


def _listed(seen: Sequence[str], given: Collection[str] = ()) -> str:
    names = {*SHOWN, *given}
    return first_few([f"'{name}'" if name in names else f"column {n}" for n, name in enumerate(seen, start=1)], 30)


def _to_paste(name: str | None, seen: Sequence[str]) -> str:
    if name is None:
        return "<name of a column>"
    return json.dumps(name) if name in SHOWN else f"<name of column {seen.index(name) + 1}>"


def _is_conversation(value: object) -> bool:
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and not MESSAGE.isdisjoint(first)


def _by_length(names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Columns by how much text they hold, most first: the likeliest to be what a model learns from."""
    lengths = dict.fromkeys(names, 0)
    for row in rows:
        for name, value in row.values.items():
            lengths[name] += len(value) if isinstance(value, str) else 0
    return sorted(lengths, key=lambda name: -lengths[name])
