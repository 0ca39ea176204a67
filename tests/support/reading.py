"""Reading a source that has one batch, for tests."""

from fineline.resources.data.sources.reader import list_batches, read_batch


def read_only_batch(source):
    [batch] = list_batches(source)
    return read_batch(source, batch)
