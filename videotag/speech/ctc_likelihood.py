"""How likely a text is by what a CTC network says of each frame."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def log_likelihood(log_probs: "np.ndarray", tokens: Sequence[int], blank: int) -> float:
    """The logarithm of the probability of the tokens, over all ways to lay them over the frames, in nats.

    The forward algorithm of Graves et al., Connectionist Temporal Classification (2006), equations 6 to 8.

    Args:
        log_probs: float [frames, vocabulary], logarithms of probabilities.
        tokens: what was said; -inf if that does not fit into the frames.
        blank: the token of nothing.
    """
    import numpy as np

    # Blanks before, between and after the tokens. A token may follow the last one directly if it is another.
    states = [blank, *(state for token in tokens for state in (token, blank))]
    jumps = [n > 1 and states[n] != blank and states[n] != states[n - 2] for n in range(len(states))]
    here = np.full(len(states), -np.inf)
    here[:2] = log_probs[0, states[:2]]
    for frame in log_probs[1:]:
        stayed, moved = here, np.append(-np.inf, here[:-1])
        jumped = np.where(jumps, np.append([-np.inf, -np.inf], here)[: len(states)], -np.inf)
        here = np.logaddexp(np.logaddexp(stayed, moved), jumped) + frame[states]
    return float(np.logaddexp(here[-1], here[-2]) if len(states) > 1 else here[-1])
