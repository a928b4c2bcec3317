"""Text to words: what a segment is stored under, what a query looks for.

Forms of a word are brought together: Russian ones by pymorphy3's dictionary, English ones by the Snowball stemmer,
Kazakh ones, for which no maintained library could be found, by cutting off endings. Kazakh letters are read as the
Russian ones nearest to them (Тоқаев, Токаев), and Latin words of a query as Cyrillic ones, too (Tokayev), so that names
and loan words are found across languages; numbers in words become digits.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

from videotag.languages import AS_RUSSIAN
from videotag.morphology import russian, without_name_ending
from videotag.search.numerals import DECIMAL, NUMERALS, joined, roman, with_scales
from videotag.search.pairs import IRREGULAR, SAME, SIGNS
from videotag.stop_words import STOP_WORDS
from videotag.text import UNSPACED_LETTER

LONGEST_WORD = 60  # characters; what is longer is no word
MAX_QUERY_WORDS = 64
CACHE = 100_000  # words whose forms are kept, about 20 MB

_WORD = re.compile(r"[^\W_]+")
_THOUSANDS = re.compile(r"(?<=\d)[ \u00a0\u202f](?=\d{3}(?!\d))")
_WORD_OR_THOUSANDS = re.compile(rf"{DECIMAL.pattern}|\d+(?:[ \u00a0\u202f]\d{{3}}(?!\d))+|[^\W_]+")
_COMPOUND = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)+|[^\W\d_]+-?\d+|\d+-?[^\W\d_]{2,}")
_EDGE = re.compile(r"(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d)")
_A_DECIMAL = re.compile(r"(?<![\d.,])(\d{1,9})[.,](\d{1,9})(?![.,]?\d)")
_YEAR = re.compile(r"(?<=\d)[ \u00a0]?гг?(?:\.|(?!\w))")  # 2020 г.
_CENTURY = re.compile(r"(?<=[IVXХІ])[ \u00a0]вв?\.")  # XX в.
_SIGN = re.compile("|".join(map(re.escape, SIGNS)))
_QUOTED = re.compile('["“”„]([^"“”„]+)["“”„]')
_PART = re.compile(r"[^.!?…\n]+")
_CYRILLIC = re.compile("[а-яәғқңөұүһі]")
_KAZAKH = re.compile("[әғқңөұүһі]")
_VOWEL = re.compile("[аәеиоөуұүыіэюя]")
_FINAL = str.maketrans("бгғ", "пкқ")
_QUESTION = """
какой какая какое какие какого каком какую каких откуда куда почему зачем сколько чей чья покажи покажите найди найдите
момент фрагмент видео
қандай қайсы қанша неше кімнің көрсет көрсетіңіз сәт маған бізге меніңше ойымша өтінемін рахмет рақмет деген тауып
көрсетіп
show find moment video whose
"""  # the question itself, not what is asked for
_STOP = frozenset().union(*STOP_WORDS.values(), _QUESTION.split())
KAZAKH_REQUEST = re.compile(
    "(?!тапшы$)(?:көрсет|айт|тап|тауып|таб|ізде|бер|жібер|түсіндір|көмектес|қара|аш|кешір|қой|сал|жаз)(?:[еаыіиу]?п)?"
    "(?:[ыіе]?ң[ыі]з(?:дер)?(?:ш[ыі])?|[ыі]?ш[ыі])"
)
"""көрсетіңізші, беріңіз, айтшы; "тапшы" is scarce as well."""
_FUNCTION = ("PREP", "CONJ", "PRCL", "NPRO", "INTJ")  # pymorphy3's parts of speech without a meaning of their own
_DIGITS = re.compile(r"(\d{1,15})(?:st|nd|rd|th|й|го|му|я|е|ші|шы)?$")
MIN_TRANSCRIBED = 4  # letters
MAX_GUESSES = 16
_ROMANISED = """
shch щ|sch ш|tch ч|sh ш|ch ч|zh ж|kh х|ts ц|ck к|ph ф|th т|aye ае|eye ее|oye ое|iye ие|ya я|ia ия|yu ю|ye е|yo е
|ay ай|ai ай|ey ей|ei ей|oy ой|oi ой|uy уй|ee и|oo у|iy ий|yy ый|a а|b б|c к|d д|e е|f ф|g г|h х г|i и ы|j ж
|k к|l л|m м|n н|o о|p п|q к|r р|s с|t т|u у|v в|w в|x кс|y ы й|z з
"""
_SOUNDS = {sound: letters for sound, *letters in map(str.split, _ROMANISED.split("|"))}
"""Latin letters to the Cyrillic ones they may stand for, as names are romanised in passports and the press."""
_SOUND = re.compile("|".join(sorted(_SOUNDS, key=len, reverse=True)))

# Case, possession, number, in the order in which they are taken off: "қала-лар-ымыз-дың".
_KAZAKH_ENDINGS = (
    re.compile("(?:[дтн][ае]ғ?г?[ыі]|[нтд][ыі]ң|[нтд][ае]н|[мбп]ен|нд[ае]|[нтд][ыі]|[дт][ае]|[нғқгк][ае])$"),
    re.compile("(?:[ыі]?м[ыі]з|[ыі]?ң[ыі]з|с[ыі]н?|[ыі]н?|[ыі][мң])$"),
    re.compile("(?:[лтд][ае]р)$"),
)
_NO_KAZAKH_NUMERALS = (STOP_WORDS["kk"] - NUMERALS["kk"].keys()).union(  # "үшін" (for) is no form of "үш" (three)
    ("оны", "оның", "оным", "онда", "оған", "онан"),  # of "ол" (he), not of "он" (ten)
    ("жүзі", "жүзін", "жүзінде", "жүзіне", "жүзінен", "жүзіндегі"),  # a face, the world; hundred is "жүз"
)
_AS_WRITTEN = "x0"  # before a word that only an exact phrase asks for
_ALSO_RUSSIAN = frozenset(["он", "бес"])  # Kazakh ten and five; in Russian he, and a demon
_RUSSIAN = STOP_WORDS["ru"] - STOP_WORDS["kk"] - NUMERALS["kk"].keys()
"""Words that tell a Russian sentence with a Kazakh name in it from a Kazakh one."""


# === Text to words ===


def document_words(text: str) -> list[str]:
    """The words of a text under which it is found; one may stand under two.

    What became a number, or is left out as an article, stands there as it is written as well, for exact phrases.
    """
    words: list[str] = []
    for part in _parts(text):
        kazakh = _is_kazakh(part)
        numbers = _with_numbers(part, kazakh)
        words += (form for word in numbers for form in _stored(word, kazakh))
        words += [_AS_WRITTEN + word.lower() for word in Counter(part) - Counter(numbers)]
    together = (form for found in _COMPOUND.findall(_plain(text)) for form in _compound_forms(found))
    return [*words, *together, *_decimals(text)]


def query_words(text: str) -> list[tuple[str, ...]]:
    """What is looked for: for each word that says something the forms that may be stored of it."""
    words = (word.lower() for part in _parts(text) for word in _with_numbers(part, _is_kazakh(part)))
    whole = _wholes(text)
    forms = [(*_asked(word), *whole.get(word, ())) for word in words if not says_nothing(word)]
    return list(dict.fromkeys(forms + [(form,) for form in _decimals(text)]))[:MAX_QUERY_WORDS]


def every_word(text: str) -> list[tuple[str, ...]]:
    """The same for every word as it stands: those that say nothing, and numbers in words."""
    words = dict.fromkeys(word.lower() for part in _parts(text) for word in part)
    return [(_AS_WRITTEN + word, *_asked(word)) for word in words][:MAX_QUERY_WORDS]


def own_forms(lower: str) -> tuple[str, ...]:
    """The forms under which a word in lower case is stored, in the letters that it is written with."""
    return _asked(lower) if _CYRILLIC.search(lower) else (_latin(lower),)


def words_as_written(text: str) -> set[str]:
    """The words of a text as they are written, in lower case."""
    return {word.lower() for part in _parts(text) for word in part if len(word) > 2 and word.isalpha()}


def is_russian(lower: str) -> bool:
    """Whether it is of the Russian dictionary."""
    return bool(_CYRILLIC.search(lower)) and not _KAZAKH.search(lower) and _lemma(lower)[1]


def is_russian_base(lower: str) -> bool:
    """Whether it is a form under which the Russian dictionary has a word, as loans have it before their endings."""
    return is_russian(lower) and _lemma(lower)[0] == _folded(lower)


def of_dictionary(lower: str) -> bool:
    """`is_russian` without a parse: for many that are mostly none."""
    return russian().word_is_known(lower)


def quoted(query: str) -> list[str]:
    """What stands in double quotes and therefore has to occur; «» are left to titles."""
    return [phrase for phrase in _QUOTED.findall(query) if _WORD.search(phrase)]


def is_all_quoted(query: str) -> bool:
    """Whether nothing is asked for but what has to occur."""
    return bool(quoted(query)) and not _WORD.search(_QUOTED.sub(" ", query))


def count_words(phrase: str) -> int:
    return len(_WORD.findall(phrase))


def has_no_spaces(phrase: str) -> bool:
    """Whether it is, or holds, writing without spaces (Chinese, Thai), of which no single words are stored."""
    return bool(UNSPACED_LETTER.search(phrase))


def exact_pattern(phrase: str) -> str:
    """A regular expression for these very words in this order; case, ё or е, and what is between them do not count."""
    words = [re.sub("[её]", "[её]", word.lower()) for word in _WORD.findall(unicodedata.normalize("NFC", phrase))]
    # In writing without spaces there is no edge of a word.
    first, last = ("" if has_no_spaces(letter) else r"\b" for letter in (words[0][0], words[-1][-1]))
    return "(?i)" + first + r"[\W_]+".join(words) + last


def matches(text: str, query: str) -> list[tuple[int, int]]:
    """Where the words of `text` stand that the query means: forms of its words, and what it has in quotes.

    In order, each as (first, behind the last) character.
    """
    return [(first, last) for first, last, _ in mentions(text, query)]


@lru_cache(maxsize=128)  # where a moment starts, how it was found, what is marked: all ask of the same texts
def mentions(text: str, query: str) -> tuple[tuple[int, int, frozenset[int]], ...]:
    """The same, each with the places in `query_words` of the words that it is a form of; none in quotes alone."""
    wanted = _wanted(query)
    phrases = [match.span() for phrase in quoted(query) for match in re.finditer(exact_pattern(phrase), text)]
    spans: list[tuple[int, int, frozenset[int]]] = []
    for part in _PART.finditer(text) if wanted or phrases else ():
        found = [word.span() for word in _WORD_OR_THOUSANDS.finditer(text, *part.span())]
        words = [_plain(with_scales(_THOUSANDS.sub("", text[first:last]))) for first, last in found]
        kazakh = _is_kazakh(words)
        numbers = {place: str(number) for first, end, number in _numbers(words, kazakh) for place in range(first, end)}
        compounds = [(*whole.span(), _compound_forms(whole[0])) for whole in _COMPOUND.finditer(text, *part.span())]
        for place, (first, last) in enumerate(found):
            forms = {*_stored(words[place], kazakh), numbers.get(place, "")}
            forms.update(*(joined for begin, end, joined in compounds if begin < last and first < end))
            meant = frozenset(asked for form in forms for asked in wanted.get(form, ()))
            if meant or any(begin < last and first < end for begin, end in phrases):
                spans.append((first, last, meant))
    return tuple(spans)


def _parts(text: str) -> Iterator[list[str]]:
    for part in _PART.findall(with_scales(_THOUSANDS.sub("", _plain(text)))):
        yield [word for word in _WORD.findall(part) if len(word) <= LONGEST_WORD]


def _plain(text: str) -> str:
    text = _SIGN.sub(lambda sign: SIGNS[sign[0]], text.replace("№", " "))  # not "No5"
    text = unicodedata.normalize("NFKC", text).replace("ё", "е").replace("Ё", "Е")
    return _CENTURY.sub(" век ", _YEAR.sub(" год ", text))


def _compound_forms(found: str) -> set[str]:
    """What "эхо-тест" and "ту-154" are stored under as one word, and "ту154" as two."""
    kazakh = _is_kazakh([found])
    words = [found.replace("-", "")] if "-" in found else _EDGE.split(found)
    return {form for word in words for form in _stored(word, kazakh)}


def _wholes(text: str) -> dict[str, tuple[str, ...]]:
    """The words that stand between hyphens, in lower case, to the forms of all of it in one word."""
    found = [one.lower() for one in _COMPOUND.findall(_plain(text)) if "-" in one]
    return {part: _asked(whole.replace("-", "")) for whole in found for part in whole.split("-")}


def _decimals(text: str) -> list[str]:
    """One form for "1,5" and "1.5", beside those of 1 and 5."""
    return [f"{whole}d{part}" for whole, part in _A_DECIMAL.findall(with_scales(text))]


def _is_kazakh(words: Sequence[str]) -> bool:
    return _KAZAKH.search(" ".join(words).lower()) is not None


def _with_numbers(words: list[str], kazakh: bool) -> list[str]:
    """The words, with digits for the numbers among them; a lone "one" is no number but an article."""
    result, done = [], 0
    for first, end, number in _numbers(words, kazakh):
        result += words[done:first]
        if number != 1 or words[first][0].isdigit() or end > first + 1:
            result.append(str(number))
        done = end
    return result + words[done:]


@lru_cache(maxsize=8)
def _wanted(query: str) -> dict[str, list[int]]:
    """Each form that is looked for, and of which of the query's words it is one."""
    wanted: dict[str, list[int]] = {}
    for place, forms in enumerate(query_words(query)):
        for form in forms:
            wanted.setdefault(form, []).append(place)
    return wanted


def _numbers(words: Sequence[str], kazakh: bool) -> Iterable[tuple[int, int, int]]:
    """(first, behind the last, value) of the words that together are a number: "двести пятьдесят два"."""
    lower = [word.lower() for word in words]
    russian = kazakh and not _RUSSIAN.isdisjoint(lower)  # "что он говорит в Қарағанды"
    romans = [roman(word, following) for word, following in zip(words, [*lower[1:], ""], strict=False)]
    values = [_value(word, kazakh and not (russian and word in _ALSO_RUSSIAN)) for word in lower]
    values = [value if number is None else number for number, value in zip(romans, values, strict=True)]
    digits = [word[0].isdigit() or number is not None for word, number in zip(words, romans, strict=True)]
    return joined(values, digits) if any(v is not None for v in values) else ()


@lru_cache(maxsize=CACHE)
def _value(lower: str, kazakh: bool) -> int | None:
    if match := _DIGITS.match(lower):
        return int(match[1])
    if not _CYRILLIC.search(lower):
        return NUMERALS["en"].get(lower)
    numerals = NUMERALS["kk"]
    if kazakh and lower in _NO_KAZAKH_NUMERALS:
        return None
    if kazakh and (found := numerals.keys() & {lower, *_cuts(lower)}):
        return numerals[found.pop()]
    return NUMERALS["ru"].get(lower, NUMERALS["ru"].get(_lemma(lower)[0]))


@lru_cache(maxsize=CACHE)
def _stored(word: str, kazakh: bool) -> tuple[str, ...]:
    return tuple(SAME.get(form, form) for form in _stored_forms(word, kazakh))


def _stored_forms(word: str, kazakh: bool) -> tuple[str, ...]:
    lower = word.lower()
    if _folded(lower) in SAME:
        return (_folded(lower),)
    if not _CYRILLIC.search(lower):
        return (_latin(lower),)
    if kazakh and lower in STOP_WORDS["kk"]:  # uncut: "бүгін" (today) would be "бұғы" (a deer)
        return (_folded(lower), _AS_WRITTEN + lower)
    if kazakh:
        return (*{_kazakh_cuts(lower)[-1], _lemma(lower)[0]},)
    lemma, known, _ = _lemma(lower)
    # The dictionary takes unknown surnames for forms of common words ("Токаев" of "токай").
    return (*{lemma, _name(lower)},) if word[0].isupper() or not known else (lemma,)


def _asked(lower: str) -> tuple[str, ...]:
    return tuple(sorted({SAME.get(form, form) for form in _asked_forms(lower)}))


def _asked_forms(lower: str) -> tuple[str, ...]:
    if lower.isdigit() or _folded(lower) in SAME:
        return (_folded(lower),)
    if not _CYRILLIC.search(lower):
        return (_latin(lower), *(form for guess in romanised(lower) for form in _asked_forms(guess)))
    lemma, known, _ = _lemma(lower)
    forms = {lemma, _name(lower)}
    if not known or _KAZAKH.search(lower):
        forms.update(_kazakh_cuts(lower))
    return tuple(forms)


def says_nothing(lower: str) -> bool:
    """Whether it is a word that is not looked for."""
    if lower in _STOP or (len(lower) == 1 and not lower.isdigit()) or KAZAKH_REQUEST.fullmatch(lower):
        return True
    return bool(_CYRILLIC.search(lower)) and not _KAZAKH.search(lower) and _lemma(lower)[2]


def _latin(lower: str) -> str:
    return _english().stemWord(IRREGULAR.get(lower, lower)) if lower.isalpha() else lower


def romanised(lower: str) -> list[str]:
    """How a name or loan word may be written in Cyrillic: "Tokayev", "kumis", "bioprinter"."""
    if len(lower) < MIN_TRANSCRIBED or not (lower.isascii() and lower.isalpha()):
        return []
    guesses = [""]
    for sound in _SOUND.findall(lower):
        guesses = [guess + letter for guess in guesses for letter in _SOUNDS[sound]][:MAX_GUESSES]
    return guesses


@lru_cache(maxsize=CACHE)
def _lemma(lower: str) -> tuple[str, bool, bool]:
    """Russian dictionary form, whether the dictionary knows the word, whether it is a function word."""
    parse = russian().parse(lower)[0]
    return _folded(parse.normal_form), parse.is_known, parse.tag.POS in _FUNCTION


def _name(lower: str) -> str:
    return _folded(without_name_ending(lower, least=3))


def _kazakh_cuts(lower: str) -> tuple[str, ...]:
    return tuple(map(_folded, _cuts(lower)))


def _cuts(lower: str) -> tuple[str, ...]:
    """A Kazakh word with some or all of its endings cut off; the last one without any that can be an ending.

    Which of "президент-і" and "президен-ті" it is, only a dictionary could tell.
    """
    cuts, deepest = [lower], lower
    for ending in _KAZAKH_ENDINGS:
        cuts += [shorter for word in cuts if (shorter := _without(ending, word)) != word]
        deepest = _without(ending, deepest)
    if len(deepest) > 3 and _VOWEL.match(deepest[-1]):
        deepest = deepest[:-1]
    return (*(cut[:-1] + cut[-1].translate(_FINAL) for cut in (*dict.fromkeys(cuts), deepest)),)


def _without(ending: re.Pattern[str], word: str) -> str:
    shorter = ending.sub("", word)
    return shorter if len(shorter) >= 2 and _VOWEL.search(shorter) else word


def _folded(word: str) -> str:
    return word.replace("ё", "е").translate(AS_RUSSIAN)


@cache
def _english() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("english")
