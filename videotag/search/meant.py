"""What was meant by a question as it was typed: keyboard layout, Latin letters, letters left out, typos, talk.

The archive's own words decide: those that occur in it, and those of the Russian and English dictionaries, are never
touched, and but for Kazakh letters nothing becomes a word that is in none. What a question becomes has the same meaning
to whoever typed it, and it is asked of the vectors as well as of the words.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from operator import itemgetter
from typing import Protocol

from videotag.languages import AS_RUSSIAN
from videotag.search.english import is_english, one_edit_away
from videotag.search.filler import without_filler
from videotag.search.forms import is_russian, is_russian_base, of_dictionary, own_forms, quoted, romanised, says_nothing
from videotag.search.kazakh import has_own_letters, in_harmony, is_without_letters, may_be_kazakh, tells_i_apart
from videotag.search.keyboards import in_one_script, is_cyrillic, is_like_english, mixed, other_layouts
from videotag.search.spelling import in_cyrillic, key, keys, one_edit
from videotag.stop_words import STOP_WORDS

LONG = 5  # letters of a word in which a typo is looked for
SHORT = 3  # letters; shorter words prove nothing
MOST = 0.4  # of the letters of a question that have to be of known words before all of it is read another way
FEW = 0.2  # the same in Latin letters, for names are alike in them in every language
MOSTLY = 2 / 3  # of them that have to be, for a reading that need not be clearly nearer
ENOUGH = 3  # long words of the Russian dictionary in Latin letters, for a question with none of the archive
EVIDENT = 0.2  # of the words with signs or digits among their letters: another layout, whatever the words
LIKE = 0.7  # what a word has in common with the one that it is taken for, as difflib measures it
STEM = 4  # letters that a word with other endings has to have in common

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*['’]?")
_LATIN = re.compile("[a-zà-žı]")
_JOINED_NAME = re.compile("(?<=[а-яёәғқңөұүһі])(?=[А-ЯЁӘҒҚҢӨҰҮҺІ])")
_KAZAKH_LATIN = re.compile("[ığǵşūńý]|q(?!u)|[agnosyci]'(?=[^ts])|[agnoucsi]'[a-z]+'")
_ADJECTIVE = re.compile("[иы][иый]$")
_RUSSIAN = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_FUNCTION_WORDS = frozenset().union(STOP_WORDS["ru"], STOP_WORDS["kk"])
_ONLY_RUSSIAN = STOP_WORDS["ru"] - {_word.translate(AS_RUSSIAN) for _word in STOP_WORDS["kk"]}
_BY_KEY: dict[str, list[str]] = {}
for _word in sorted(_FUNCTION_WORDS):
    _BY_KEY.setdefault(key(_word), []).append(_word)


class ArchiveWords(Protocol):
    """What is asked of the index."""

    def spelled(self, sounds: Collection[str], begun: bool = False) -> Mapping[str, list[str]]:
        """The archive's words, as they are written, by their keys; `begun`: whose keys begin so."""
        ...

    def occurrences(self, forms: Collection[str]) -> Mapping[str, int]:
        """In how many segments each form of a word is."""
        ...


def readings(question: str, archive: ArchiveWords) -> tuple[str, str, bool]:
    """The question as it was said, and as it may have been meant; itself where it has something in quotes.

    As it was said: on the right keyboard, in small letters, without what only asks for it. As it may have been meant:
    in words that the archive or a dictionary has; and whether the words themselves tell that it was: few of those said
    are known, most of those meant, or it is in a Kazakh alphabet of Latin letters, or Kazakh by its endings, or only
    blanks differ, or what was changed are words in small letters that nobody knows, and that are now, in a question of
    dictionary words.
    """
    if quoted(question):
        return question, question, False
    reader = _Reader(archive)
    names = _WORD.sub(lambda word: reader.names_apart(word[0]), unicodedata.normalize("NFC", question))
    text = _in_small_letters(reader.of_one_script(names))
    said = without_filler(reader.of_right_layout(text))
    read = reader.of_known_words(said)
    few = MOST if is_cyrillic(said) else FEW
    told = reader.known_share(_words(said)) < few and reader.known_share(_words(read)) >= MOSTLY
    alphabet = is_cyrillic(read) and bool(_KAZAKH_LATIN.search(said.lower()))
    blanks = "".join(said.split()) == "".join(read.split())  # all that differs
    told = told or alphabet or blanks or reader.is_kazakh or reader.are_typos(said, read)
    return said, without_filler(read), told


def _in_small_letters(text: str) -> str:
    return text.lower() if text.isupper() and len(_WORD.findall(text)) > 1 else text


class _Reader:
    """One question's look at the archive's words."""

    def __init__(self, archive: ArchiveWords) -> None:
        self._archive = archive
        self.is_kazakh = False  # by its endings, whatever letters it is written in
        self._counts: dict[str, int] = {}  # segments, by word

    # === What is known ===

    def occurs(self, words: Iterable[str]) -> list[int]:
        """In how many segments each word, or a form of it, is."""
        words = list(words)
        forms = {word: own_forms(word) for word in words if word not in self._counts}
        found = self._archive.occurrences({form for some in forms.values() for form in some}) if forms else {}
        self._counts |= {word: max((found.get(form, 0) for form in some), default=0) for word, some in forms.items()}
        return [self._counts[word] for word in words]

    def is_known(self, word: str) -> bool:
        named = says_nothing(word) or word in _FUNCTION_WORDS or is_russian(word)
        return named or self.occurs([word])[0] > 0 or is_english(word)

    def known_share(self, words: list[str]) -> float:
        """Of the letters of the words that are long enough to tell."""
        telling = [word for word in words if len(word) >= SHORT]
        self.occurs(telling)
        known = sum(len(word) for word in telling if self.is_known(word))
        return known / (sum(map(len, telling)) or 1)

    def are_typos(self, said: str, read: str) -> bool:
        """Whether all that differs are words that were unknown and are known now; not names, which may be unknown.

        Only of a question that the dictionaries know: of a Kazakh word nobody here can say that there is none such.
        """
        typed_words, meant = _WORD.findall(said), _words(read)
        named = sum(len(word) for word in meant if is_russian(word) or is_english(word))
        if len(typed_words) != len(meant) or named < MOSTLY * sum(map(len, meant)):
            return False
        changed = [(typed, word) for typed, word in zip(typed_words, meant, strict=True) if _words(typed) != [word]]
        return bool(changed) and all(
            typed.islower() and not self.is_known(typed) and self.is_known(word) for typed, word in changed
        )

    def names_apart(self, word: str) -> str:
        """Names with a blank between them, if they were typed without it; "КазМунайГаз" is one."""
        parts = _JOINED_NAME.split(word)
        least = SHORT if word[0].islower() else STEM
        whole = len(parts) == 1 or min(map(len, parts)) < least or self.is_known(word.lower())
        return word if whole else " ".join(parts)

    # === The whole question ===

    def of_one_script(self, text: str) -> str:
        """Letters that look like others are these in words that do not occur as they are."""
        return _WORD.sub(lambda word: word[0] if self.occurs([word[0].lower()])[0] else in_one_script(word[0]), text)

    def of_right_layout(self, text: str) -> str:
        typed, (strange, part) = self.known_share(_words(text)), mixed(text)
        telling = [word for word in _words(text) if len(word) >= SHORT]
        russian = 2 * sum(map(is_russian, telling)) > len(telling)  # "2х комнатная квартира и 3й этаж"
        evident = strange > 1 and part >= EVIDENT and not russian
        if typed >= MOST and not evident:
            return text
        other = [reading for reading in other_layouts(text) if strange or is_cyrillic(reading) != is_cyrillic(text)]
        readings = [(self.known_share(_words(reading)) - mixed(reading)[1], reading) for reading in other]
        share, reading = max(readings, default=(0.0, text), key=itemgetter(0))
        whole = [one for word in text.split() for one in ([word.lower()] if mixed(word)[0] else _words(word))]
        if evident and 0 < share >= self.known_share(whole) and has_own_letters(reading):
            return reading
        if typed < MOST and is_cyrillic(text) and not _are_kazakh(_words(text)):  # names need not be in the archive
            english = next((one for one in other if not is_cyrillic(one)), "")
            if is_like_english(english) and self.known_share(_words(english)) >= typed:
                return english
        return reading if share >= max(MOST, 2 * typed) else text

    def of_known_words(self, text: str) -> str:
        spans = [word.span() for word in _WORD.finditer(text)]
        words = [text[first:last].lower().replace("’", "'").replace("ё", "е") for first, last in spans]
        meant = self._corrected(self._together(self._in_own_letters(words)))
        pieces, position = [], 0
        for (first, last), before, after in zip(spans, words, meant, strict=True):
            gap = text[position:first]
            pieces.append(gap if after or not gap.isspace() else "")
            pieces.append(text[first:last] if after == before else _cased(after, text[first:last]))
            position = last
        return "".join(pieces) + text[position:]

    # === Letters ===

    def _in_own_letters(self, words: list[str]) -> list[str]:
        """Out of Latin letters, and with the Kazakh letters that were left out."""
        telling = [word for word in words if len(word) >= SHORT]
        letters = sum(map(len, telling))
        latin = [word for word in telling if _LATIN.search(word)]
        if 2 * sum(map(len, latin)) > letters:
            return self._transcribed(words, latin)
        strange = [word for word in telling if not is_russian(word)]
        russian = 2 * sum(map(len, strange)) <= letters or not _ONLY_RUSSIAN.isdisjoint(words)
        if latin or russian or has_own_letters(" ".join(words)):
            return words
        apart = tells_i_apart(strange)
        written = {word: self._with_letters(word, apart) for word in telling}
        kazakh = any(map(may_be_kazakh, telling))
        self.is_kazakh = _are_kazakh(strange) and any(map(written.get, strange))
        in_own = {word: _in_harmony(word, apart) for word in telling if not written[word]} if kazakh else {}
        return [written.get(word) or in_own.get(word, word) for word in words]

    def _transcribed(self, words: list[str], latin: list[str]) -> list[str]:
        if 2 * sum(len(word) for word in latin if is_english(word)) > sum(map(len, latin)):
            return words
        unknown = [word for word, count in zip(latin, self.occurs(latin), strict=True) if not count]
        evident = any(map(_KAZAKH_LATIN.search, unknown))
        found = {word: best for word in unknown if (best := self._from_latin(word))}
        left = [word for word in unknown if word not in found]
        share = sum(map(len, found)) / sum(map(len, latin))
        ended = len([*filter(may_be_kazakh, left)])
        kazakh = evident or (found and 2 * ended > len(left)) or (ended > 1 and 2 * ended >= len(unknown))
        russian = sum(len(word) for word, one in found.items() if is_russian(one))
        if _are_kazakh(unknown) and 2 * russian < sum(map(len, latin)):
            kazakh = self.is_kazakh = True
        there = any(word in _FUNCTION_WORDS or self.occurs([word])[0] for word in found.values())
        there = there or (len([word for word in found if len(word) >= LONG]) >= ENOUGH and share >= MOSTLY)
        if not there and not kazakh:  # "winter water" could be two Russian words
            return words
        if any(word in STOP_WORDS["en"] and word not in found for word in latin) or not (share >= MOST or kazakh):
            return words
        is_mostly_russian = sum(map(is_russian, found.values())) * 2 > len(found)
        spell = in_cyrillic if is_mostly_russian and not (evident or self.is_kazakh) else self._spelled_out
        small = [word for word in words if _LATIN.search(word) and len(word) < SHORT]
        found |= {word: spell(word) for word in left} | {word: _small(word) or in_cyrillic(word) for word in small}
        return [found.get(word, word) for word in words]

    def _from_latin(self, word: str) -> str | None:
        sounds, guess = keys(word), in_cyrillic(word)
        written = [one for some in self._archive.spelled(sounds).values() for one in some if not _LATIN.search(one)]
        russian = _russian(word) if len(word) >= SHORT and not written else []
        return _small(word) or self._likest(guess, written or russian, least=0.0)

    def _spelled_out(self, word: str) -> str:
        guess = in_cyrillic(word)
        return self._with_letters(guess, apart=True) or _in_harmony(guess, apart=True)

    def _with_letters(self, word: str, apart: bool) -> str | None:
        """With the Kazakh letters that the archive writes it, or its beginning, with; None if it has no such word."""
        sound = key(word)
        written = self._archive.spelled([sound]).get(sound, [])
        if word in written or is_russian(word):
            return word
        whole = [one for one in (*written, *_BY_KEY.get(sound, ())) if is_without_letters(word, one)]
        if whole:
            return self._likest(word, whole, least=0.0)
        beginnings = [word[:length] for length in range(len(word) - 1, STEM - 1, -1)]
        begun = self._archive.spelled([key(one) for one in beginnings], begun=True)
        for one in beginnings:
            fitting = [
                stem[: len(one)] for stem in begun.get(key(one), ()) if is_without_letters(one, stem[: len(one)])
            ]
            if fitting:
                return in_harmony(word, max(sorted(set(fitting)), key=fitting.count), apart)
        return None

    # === Words ===

    def _together(self, words: list[str]) -> list[str]:
        """Two neighbours that are one known word, where one of the two is none: the second becomes ""."""
        words = list(words)
        pairs = [first + second for first, second in pairwise(words)]
        self.occurs([*words, *pairs])
        for place, both in enumerate(pairs):
            apart = all(says_nothing(word) or self._counts[word] for word in words[place : place + 2] if word)
            is_word = self._counts[both] or is_russian(both) or is_english(both)
            if words[place] and len(both) >= LONG and not apart and is_word:
                words[place], words[place + 1] = both, ""
        return words

    def _corrected(self, words: list[str]) -> list[str]:
        self.occurs(words)
        kazakh = self.is_kazakh or has_own_letters(" ".join(words))
        english = len(words) < 2 or 3 * sum(map(is_english, words)) >= len(words)
        return [self._right(w, english, kazakh) if len(w) >= LONG and not self.is_known(w) else w for w in words]

    def _right(self, word: str, english: bool, kazakh: bool) -> str:
        latin = bool(_LATIN.search(word))
        found = self._archive.spelled({sound for one in keys(word) for sound in (one, *one_edit(one))}).values()
        near = {one for some in found for one in some if bool(_LATIN.search(one)) == latin}
        if not near and not latin and not has_own_letters(word):
            russian = {one for one in one_edit(word, _RUSSIAN) if of_dictionary(one)}
            near = {one for one, count in zip(russian, self.occurs(russian), strict=True) if count}
            if not near and len({own_forms(one) for one in russian}) == 1:
                near = russian
        if has_own_letters(word):  # a Kazakh word may only have an ending that the archive does not
            beginnings = [word[:end] for end in range(len(word) - 2, STEM - 1, -1)]
            stem = next((one for one, count in zip(beginnings, self.occurs(beginnings), strict=True) if count), "")
            near = {one for one in near if one.startswith(stem)}
        if kazakh and len(word) == LONG:  # many such words are a letter apart; seldom by one that is lost
            near = {one for one in near if len(one) > len(word)}
        return (
            self._likest(word, near, LIKE) or (latin and english and one_edit_away(word)) or self._parted(word) or word
        )

    def _parted(self, word: str) -> str | None:
        """Two words that were typed without the blank: both of the archive, or one small and one of a dictionary."""
        pairs = [(word[:place], word[place:]) for place in range(2, len(word) - 1)]
        long = list({half for pair in pairs for half in pair if len(half) >= SHORT})
        written = self._archive.spelled({key(half) for half in long})
        these = {half for half in long if half in written.get(key(half), ())} | _SMALL
        forms = {half for half, count in zip(long, self.occurs(long), strict=True) if count and len(half) >= LONG}
        named = {half for half in long if of_dictionary(half) or is_english(half)}
        small = {half for half in named if half in _SMALL or says_nothing(half)}
        good = [
            pair
            for pair in pairs
            if max(map(len, pair)) > SHORT
            and (
                ((these | forms).issuperset(pair) and not these.isdisjoint(pair))
                or (named.issuperset(pair) and not small.isdisjoint(pair))
            )
        ]
        return " ".join(max(good, key=lambda pair: min(map(len, pair)))) if good else None

    def _likest(self, word: str, candidates: Iterable[str], least: float) -> str | None:
        """The one most like the word, of several the most frequent."""
        some = sorted(set(candidates))
        ratios = [SequenceMatcher(None, word, one, autojunk=False).ratio() for one in some]
        ranked = zip(ratios, self.occurs(some), some, strict=True)
        best = max(ranked, default=(0.0, 0, ""), key=lambda one: one[:2])
        return best[2] if some and best[0] >= least else None


_SMALL = frozenset(word for words in STOP_WORDS.values() for word in words if len(word) > 2)


def _words(text: str) -> list[str]:
    return [word.lower().replace("ё", "е") for word in _WORD.findall(text)]


def _cased(word: str, typed: str) -> str:
    return word[:1].upper() + word[1:] if typed[:1].isupper() else word


def _small(latin: str) -> str | None:
    """The function word that it is in Latin letters."""
    return next((_BY_KEY[sound][0] for sound in keys(latin) if sound in _BY_KEY), None)


def _russian(latin: str) -> list[str]:
    """The words of the dictionary that it may be; with a soft sign, which Latin letters leave out, if none else."""
    guesses = {*romanised(latin), in_cyrillic(latin)}
    guesses |= {guess.replace("иа", "я").replace("иу", "ю") for guess in guesses}
    guesses |= {guess.replace("щ", "сч").replace("ц", "тс") for guess in guesses}
    guesses |= {_ADJECTIVE.sub(ending, guess) for guess in guesses for ending in ("ий", "ый")}
    softened = (guess[:place] + "ь" + guess[place:] for guess in guesses for place in range(2, len(guess) + 1))
    return [guess for guess in guesses if of_dictionary(guess)] or [guess for guess in softened if of_dictionary(guess)]


def _are_kazakh(words: Sequence[str]) -> bool:
    """Whether two of the words at least, and a third of them, end as Kazakh ones do, begin so, or are small ones."""
    some = [word for word in words if may_be_kazakh(word) or word.startswith("zh") or _small(word) in STOP_WORDS["kk"]]
    return len(some) > 1 and 3 * len(some) >= len(words)


def _in_harmony(word: str, apart: bool) -> str:
    """With Kazakh letters, but for a Russian word that it begins with."""
    ends = (end for end in range(len(word), LONG - 1, -1) if end != len(word) - 1)  # one letter is no ending
    return in_harmony(word, next((word[:end] for end in ends if is_russian_base(word[:end])), ""), apart)
