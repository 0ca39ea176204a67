"""The batches that a recipe's sources offer now, each with an identity of what is in it."""

from collections.abc import Iterable

from fineline.resources.recipe import digest
from fineline.resources.recipe_data import Source
from fineline.resources.sources.reader import list_batches


def fingerprints(sources: Iterable[Source]) -> dict[str, str]:
    """Batch keys, sorted, with a fingerprint of the bytes behind them and of how the source reads them.

    Raises:
        SourceError: a source cannot be read; the message says what to do.
    """
    found = {batch.key: digest(source, batch.fingerprint) for source in sources for batch in list_batches(source)}
    return dict(sorted(found.items()))
