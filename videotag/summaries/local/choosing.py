"""Which sentences are told: central ones that differ, spread over the length.

Central is what many others have words in common with: LexRank (Erkan and Radev 2004, continuous, damping 0.85). Of
those that are left the next is the one that is central and unlike the chosen ones: maximal marginal relevance
(Carbonell and Goldstein 1998, lambda 0.7).
"""

import re
from collections.abc import Sequence

import numpy as np

from videotag.summaries.local.sentences import Sentence
from videotag.summaries.local.words import tf_idf

DAMPING, ROUNDS = 0.85, 30
LAMBDA = 0.7
ALIKE = 0.6  # cosine above which a sentence says what a chosen one says
FAIR = 0.25  # quality below which a sentence is told only where there is nothing else: greetings, credits
SHORTEST, LONGEST = 6, 30  # words that say something, of a sentence that is good to read

_FILLER = re.compile(
    r"\b(?:здравствуйте|добр(?:ый|ое|ой) (?:вечер|день|утро|ночи)|в эфире|с вами был[аи]?|подписывайтесь|подписаться|"
    r"лайк\w*|спасибо за (?:внимание|просмотр)|до свидания|до новых встреч|до встречи|оставайтесь с нами|субтитр\w*|"
    r"корректор|продолжение следует|не переключайтесь|с[әа]лемет\w*|қайырлы|рақмет|рахмет|сау бол\w*|жазылыңыз\w*|"
    r"welcome|hello|good (?:evening|morning)|thank(?:s| you)|subscribe|stay (?:tuned|with us)|goodbye)\b",
    re.IGNORECASE,
)
_CREDITS = re.compile(
    r"\b(?:режисс[её]р\w*|оператор\w*|монтаж\w*|продюсер\w*|сценари\w*|композитор\w*|художник\w*|звукорежисс[её]р\w*|"
    r"в ролях|directed by|produced by|music by|written by|starring|режиссері|операторы|авторы)\b",
    re.IGNORECASE,
)
_LEANING = re.compile(
    r"(?:он|она|они|оно|это|этот|эта|эти|этого|его|её|ее|их|им|ему|ей|там|туда|тогда|поэтому|но|а|и|однако|затем|потом|"
    r"также|так|тоже|зато|или|что|чтобы|потому|ол|олар|бұл|осы|сондықтан|бірақ|ал|сол|сонда|соны|да|нет|ну|вот|"
    r"he|she|they|it|this|that|but|and|so|then|these|those|there|or|because|yes|no|well)\b",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?…][\"'»”)]*$")


def quality(text: str, words: int) -> float:
    """How well a sentence can be told alone, above 0 to 1; `words`: how many of it say something."""
    worth = min(1.0, words / SHORTEST) * min(1.0, LONGEST / max(words, 1))
    worth *= 0.2 if _FILLER.search(text) or len(_CREDITS.findall(text)) > 1 else 1.0
    worth *= 0.6 if _LEANING.match(text.lstrip('«"“—– ')) else 1.0
    worth *= 0.5 if text[:1].islower() else 1.0  # its beginning is missing
    worth *= 0.5 if text.endswith("?") else 1.0
    return worth * (1.0 if _END.search(text) else 0.6)  # so is its end


def scores(sentences: Sequence[Sentence], vectors: np.ndarray) -> np.ndarray:
    """How much each is worth telling, 0 to 1: float [sentences]."""
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, 0)
    sums = alike.sum(axis=1, keepdims=True)
    steps = np.where(sums > 0, alike / np.where(sums > 0, sums, 1), 1 / len(sentences))
    rank = np.full(len(sentences), 1 / len(sentences))
    for _ in range(ROUNDS):
        rank = (1 - DAMPING) / len(sentences) + DAMPING * rank @ steps
    worth = np.array([quality(one.text, len(set(one.says))) for one in sentences])
    return rank / rank.max() * worth


def chosen(sentences: Sequence[Sentence], count: int, stretch: tuple[int, int]) -> list[Sentence]:
    """At most `count` of the sentences, in order of time, each from a part of its own where the parts have any.

    Args:
        stretch: first and last number of the passages that are parted, into as many parts as sentences are wanted.
    """
    fair = [one for one in sentences if quality(one.text, len(set(one.says))) >= FAIR]
    sentences = fair or sorted(sentences, key=lambda one: -quality(one.text, len(set(one.says))))[:1]
    if not sentences:
        return []
    vectors = tf_idf([one.says for one in sentences])
    worth = scores(sentences, vectors)
    first, last = stretch
    parts = [min(count - 1, (one.passages[0] - first) * count // (last - first + 1)) for one in sentences]
    picked: list[int] = []
    for part in [*range(count), None]:
        while len(picked) < count:
            left = [n for n in range(len(sentences)) if n not in picked and part in (None, parts[n])]
            best = _best(left, worth, vectors, picked)
            if best is None:
                break
            picked.append(best)
            if part is not None:
                break
    return [sentences[n] for n in sorted(picked, key=lambda n: (sentences[n].passages[0], n))]


def _best(left: Sequence[int], worth: np.ndarray, vectors: np.ndarray, picked: Sequence[int]) -> int | None:
    """The best of those that are left and say something new."""
    like = vectors[list(left)] @ vectors[list(picked)].T if left and picked else np.zeros((len(left), 1))
    nearest = like.max(axis=1) if len(left) else np.zeros(0)
    new = [(LAMBDA * worth[n] - (1 - LAMBDA) * near, -n) for n, near in zip(left, nearest, strict=True) if near < ALIKE]
    return -max(new)[1] if new else None
