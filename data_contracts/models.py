"""What is known of models: the records that they saw."""

import dataframely as dy


class SeenRecord(dy.Schema):
    """A record that a model, or the model that it started from, was trained or validated on.

    Of a record that was forgotten since, ``record_id`` is its tombstone.
    """

    record_id = dy.String(nullable=False)
    dataset = dy.String(nullable=False)
    split = dy.Enum(["train", "validation"], nullable=False)
    forgotten = dy.Bool(nullable=False)
