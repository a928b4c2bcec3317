"""The probability of a text under a CTC network, against all ways to lay it over the frames, written out."""

import math
from itertools import groupby, product

import numpy as np
import pytest

from videotag.speech.ctc_likelihood import log_likelihood

BLANK = 2


def written_out(probabilities: np.ndarray, tokens: list[int]) -> float:
    """The sum over every row of tokens, a frame each, that reads as these."""
    total = 0.0
    for path in product(range(probabilities.shape[1]), repeat=len(probabilities)):
        if [token for token, _ in groupby(path) if token != BLANK] == tokens:
            total += math.prod(probabilities[frame, token] for frame, token in enumerate(path))
    return math.log(total) if total else -math.inf


@pytest.mark.parametrize("tokens", [[], [0], [0, 1], [0, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0, 1, 0, 1]])
def test_all_ways_count(tokens: list[int]) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 5)
    found = log_likelihood(np.log(probabilities), tokens, BLANK)
    assert found == pytest.approx(written_out(probabilities, tokens))


def test_one_frame() -> None:
    """By hand: one frame of 0.7 for the token, 0.2 for the blank."""
    frame = np.log([[0.7, 0.1, 0.2]])
    assert log_likelihood(frame, [0], BLANK) == pytest.approx(math.log(0.7))
    assert log_likelihood(frame, [], BLANK) == pytest.approx(math.log(0.2))
