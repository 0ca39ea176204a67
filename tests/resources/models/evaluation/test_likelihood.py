import math

import numpy as np
import pytest

from fineline.resources.models.base.encoding import Encoded

pytestmark = pytest.mark.model


def test_unigram_losses_are_those_of_smoothed_frequencies():
    from fineline.resources.models.evaluation.likelihood import unigram_losses

    train = [Encoded([9, 0, 0, 1], 1)]
    # of 3 trained tokens and 5 words: p(0) = 3/8, p(1) = 2/8, the others 1/8
    losses = unigram_losses(train, [Encoded([7, 0, 1], 1), Encoded([7, 4], 1)], 5)
    assert losses == pytest.approx([-(math.log(3 / 8) + math.log(2 / 8)) / 2, -math.log(1 / 8)])


def test_batches_hold_each_row_once_and_stay_within_their_size():
    from fineline.resources.models.evaluation.likelihood import TOKENS, batches

    lengths = np.random.default_rng(0).integers(1, 2000, 50).tolist()
    rows = [Encoded(list(range(length)), 0) for length in lengths]
    found = list(batches(rows))
    assert sorted(place for batch in found for place in batch) == list(range(50))
    assert all(len(batch) * max(lengths[place] for place in batch) <= TOKENS for batch in found)
