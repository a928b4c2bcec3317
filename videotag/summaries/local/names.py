"""People, places and organisations that are named: rather too few of them than what is no name.

Russian ones by pymorphy3's marks (Name, Patr, Surn, Geox, Orgn) of words with a capital letter, in the nominative;
Kazakh ones by the endings of names and by the words for ministries and the like. In other languages
none are told from other words with a capital letter, and none are listed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from videotag.languages import language_in
from videotag.morphology import PROPER, readings, stem, without_name_ending
from videotag.summaries.contract import Cited, Video, Window
from videotag.summaries.local.sentences import Sentence, is_foreign
from videotag.text import clean

PEOPLE, PLACES, ORGANISATIONS = range(3)
MOST = 40  # names a list of a window or a video; the most named first

_TOKEN = re.compile(r"«[^«»]{2,60}»|[^\W\d_]+(?:[-'’][^\W\d_]+)*|[.,:;!?…()—–]")
_SURNAME = re.compile(r"(?:[оеё]в|[иы]н)(?:а|у|ым|ом|е|ой)?$|(?:енко|ук|юк|швили|ян)$")
_KAZAKH_SURNAME = re.compile(r"(?:[оеё]в|ин)а?$|(?:ұлы|қызы)$")
_CAMEL = re.compile(r"^[А-ЯЁӘҒҚҢӨҰҮҺІA-Z][а-яёәғқңөұүһіa-z]+[А-ЯЁӘҒҚҢӨҰҮҺІA-Z]\w+$")
_IN = {"в", "во", "из", "под", "до", "около", "возле", "близ", "у", "над", "через", "за"}
_PLACE_WORDS = {
    "город", "село", "посёлок", "поселок", "аул", "река", "озеро", "гора", "станция", "проспект", "улица", "деревня",
}  # fmt: skip
_PLACES_OF_ADJECTIVES = {
    "область", "район", "море", "канал", "край", "округ", "река", "озеро", "степь", "республика", "океан",
    "водохранилище",
}  # fmt: skip
_OFFICES = {"министерство", "департамент", "комитет", "управление", "агентство", "университет", "институт"}
_KINDS = {
    "компания", "корпорация", "завод", "шахта", "фабрика", "клуб", "партия", "фонд", "холдинг", "банк", "предприятие",
    "объединение", "агентство", "ассоциация", "газета", "телеканал", "ао", "тоо", "ооо", "зао", "оао", "кск", "колхоз",
    "совхоз", "комбинат", "киностудия",
}  # fmt: skip
_KAZAKH_OFFICE = re.compile(r"^(?:министрліг|департамент|комитет|басқарма|әкімдіг|университет)[а-яәғқңөұүһі]*$")
_KAZAKH_OFFICES = {"министрліг": "министрлігі", "басқарма": "басқармасы", "әкімдіг": "әкімдігі"}


@dataclass
class _Name:
    """A name as it is found: by its forms, most telling first, and where."""

    forms: list[str] = field(default_factory=list)
    segments: set[int] = field(default_factory=set)


def in_sentences(
    video: Video, sentences: Sequence[Sentence], window: Window
) -> tuple[tuple[Cited, ...], tuple[Cited, ...], tuple[Cited, ...]]:
    """The people, places and organisations that the sentences, and the captions of a window's passages, name."""
    foreign = all(is_foreign(one.text, video) for one in sentences)
    texts = [(one.text, one.passages) for one in sentences]
    texts += [
        (clean(text), (number,))
        for number in range(window.first, window.last + 1)
        for text in video.passages[number].on_screen
        # Capitals alone do not tell a name; one in another language would stand there twice, in two spellings.
        if not text.isupper() and (foreign or not is_foreign(text, video))
    ]
    found: tuple[list[Cited], list[Cited], list[Cited]] = ([], [], [])
    for text, passages in texts:
        for kind, name in named(text, language_in(text, video.language or video.output_language)):
            found[kind].append(Cited(text=name, segments=tuple(video.passages[n].index for n in passages)))
    people, places, organisations = map(together, found)
    return people, places, organisations


def together(found: Iterable[Cited]) -> tuple[Cited, ...]:
    """One of each name, with all its segments; of its forms the fullest, a man's before a woman's surname's.

    A surname alone is of the only one that has it with a first name.
    """
    names: dict[tuple[str, ...], _Name] = {}
    for one in found:
        name = names.setdefault(_key(one.text), _Name())
        name.forms.append(one.text)
        name.segments.update(one.segments)
    for key in [key for key in names if len(key) == 1]:
        full = [other for other in names if len(other) > 1 and key[0] == other[-1]]
        if len(full) == 1:
            names[full[0]].segments |= names.pop(key).segments
    order = sorted(names.values(), key=lambda name: (-len(name.segments), min(name.segments)))[:MOST]
    return tuple(Cited(text=min(name.forms, key=len), segments=tuple(sorted(name.segments))) for name in order)


def _key(name: str) -> tuple[str, ...]:
    return tuple(without_name_ending(word.replace("ё", "е"), least=3) for word in name.lower().split())


def named(text: str, language: str) -> Iterator[tuple[int, str]]:
    """What a text names: which of the three lists it belongs to, and the name."""
    tokens = _TOKEN.findall(text)
    if language == "ru":
        yield from _russian(tokens)
    elif language == "kk":
        yield from _kazakh(tokens)


# === Russian ===


def _russian(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while number < len(tokens):
        token, before = tokens[number], tokens[number - 1] if number else "."
        lemma = _lemma(token)
        if token.startswith("«"):
            if _lemma(before) in _KINDS:
                yield ORGANISATIONS, token
        elif lemma in _OFFICES and (office := _office(tokens, number)):
            yield ORGANISATIONS, office
        elif token[0].isupper():
            run = _run(tokens, number)
            yield from _of_run(run, before, tokens[number + len(run) :][:1])
            number += len(run) - 1
        number += 1


def _run(tokens: Sequence[str], number: int) -> list[str]:
    """The words with a capital letter from here on."""
    end = number
    while end < len(tokens) and tokens[end][0].isupper():
        end += 1
    return list(tokens[number:end])


def _of_run(run: list[str], before: str, after: Sequence[str]) -> Iterator[tuple[int, str]]:
    """What is named by words with a capital letter; `before` is the token before them, a sign where they begin."""
    begins = not before[0].isalpha() and before not in (",", ":", "—", "–", "(", ")")
    if begins and len(run) > 1 and _is_common(run[0].lower()):  # "Лесничий Ольга Вяткина"
        run, begins = run[1:], False
    if (person := _person(run, begins)) is not None:
        yield PEOPLE, person
        return
    for place, word in enumerate(run):
        last = place == len(run) - 1
        lower = word.lower()
        if _CAMEL.match(word) or (word.isupper() and len(word) > 1 and _reading(lower, "Orgn", known=True)):
            yield ORGANISATIONS, word
        elif last and after and (named := _with_place_word(word, after[0])):
            yield PLACES, named
        elif (p := _reading(lower, "Geox", known=True)) and (
            not _is_common(lower) or (place == 0 and before.lower() in _IN)
        ):
            yield PLACES, _shown(p, word)
        elif place == 0 and len(run) == 1 and not begins:
            if _lemma(before) in _PLACE_WORDS and not _reading(lower, "Surn", known=True):
                yield PLACES, word
            elif before.lower() in _IN and (p := _reading(lower, "Geox")) and not _SURNAME.search(lower):
                yield PLACES, _shown(p, word)


def _person(run: Sequence[str], begins: bool) -> str | None:
    """A person's name in the nominative: a first name with a surname or patronymic, or a surname by itself."""
    if len(run) == 1:
        word = run[0].lower()
        surname = _reading(word, "Surn")
        if begins or not surname or not _SURNAME.search(word) or _is_common(word) or _reading(word, "Geox", known=True):
            return None
        return _surname(run[0])
    if len(run) > 4 or any(len(word) < 2 or word.isupper() for word in run):
        return None
    options = [_personal(word) for word in run]
    told = [p for some in options for p in some]
    if not any("Name" in p.tag or "Patr" in p.tag for some in options[:2] for p in some) or not told:
        return None
    if not any("Surn" in p.tag or "Patr" in p.tag for some in options[1:] for p in some) and all(options):
        return None
    if sum(not some for some in options) > 1 or any(
        not some and _is_common(word.lower()) for some, word in zip(options, run, strict=True)
    ):
        return None
    for case in ("nomn", "gent", "accs", "datv", "ablt", "loct"):
        for gender in ("masc", "femn"):
            fitting = [next((p for p in some if _fits(p, case, gender)), None) for some in options]
            if all(p or not some for p, some in zip(fitting, options, strict=True)):
                return " ".join(_nominative(p, word) for p, word in zip(fitting, run, strict=True))
    return None


def _personal(word: str) -> list[Any]:
    marks = ("Name", "Surn", "Patr")
    found = [p for p in readings(word.lower()) if p.tag.number == "sing" and any(mark in p.tag for mark in marks)]
    # Of a first name that the dictionary does not know ("Зауре") nothing is known.
    return [p for p in found if p.is_known or "Name" not in p.tag]


def _fits(p: Any, case: str, gender: str) -> bool:
    return p.tag.case == case and (p.tag.gender is None or p.tag.gender == gender)


def _nominative(p: Any, word: str) -> str:
    inflected = p.inflect({"nomn", "sing"}) if p and p.tag.case != "nomn" else None
    return _capitals(inflected.word) if inflected else word


def _surname(word: str) -> str:
    """By itself "Токаева" may be his or hers: as it is written, where the case does not tell."""
    found = [p for p in readings(word.lower()) if "Surn" in p.tag and p.tag.number == "sing"]
    if any(p.tag.case == "nomn" for p in found):
        return word
    return _nominative(found[0], word) if found else word


def _with_place_word(word: str, after: str) -> str | None:
    """ "Алматинской" and "области" are "Алматинская область"."""
    for noun in readings(after.lower()):
        if noun.normal_form not in _PLACES_OF_ADJECTIVES or not after[0].islower():
            continue
        for p in readings(word.lower()):
            fits = p.tag.POS == "ADJF" and p.tag.case == noun.tag.case and p.tag.number == noun.tag.number == "sing"
            if fits and p.tag.gender == noun.tag.gender and (inflected := p.inflect({"nomn", "sing", noun.tag.gender})):
                return f"{_capitals(inflected.word)} {noun.normal_form}"
    return None


def _office(tokens: Sequence[str], number: int) -> str | None:
    """ "министерства водных ресурсов" is "Министерство водных ресурсов": the words in the genitive belong to it."""
    words: list[str] = []
    for token in tokens[number + 1 : number + 4]:
        if not token[0].isalpha() or not any(
            p.tag.case == "gent" and p.tag.POS in ("NOUN", "ADJF") for p in readings(token.lower())[:3]
        ):
            break
        if token == "имени":
            return None
        words.append(token)
        if readings(token.lower())[0].tag.POS == "NOUN":
            break
    if not words or readings(words[-1].lower())[0].tag.POS != "NOUN":
        return None
    return " ".join([_lemma(tokens[number]).capitalize(), *words])


def _lemma(token: str) -> str:
    return readings(token.lower())[0].normal_form if token[0].isalpha() else ""


def _reading(lower: str, mark: str, known: bool = False) -> Any | None:
    found = (p for p in readings(lower) if mark in p.tag and p.tag.POS == "NOUN")
    return next((p for p in found if p.is_known or not known), None)


def _is_common(lower: str) -> bool:
    """Whether it is a word of the dictionary that is no name."""
    return any(p.is_known and not any(mark in p.tag for mark in PROPER) for p in readings(lower))


def _shown(p: Any, word: str) -> str:
    if word.isupper():
        return word
    return _capitals(p.normal_form)


def _capitals(lower: str) -> str:
    return "-".join(part if part == "на" else part.capitalize() for part in lower.split("-"))


# === Kazakh ===


def _kazakh(tokens: Sequence[str]) -> Iterator[tuple[int, str]]:
    number = 0
    while number < len(tokens):
        token = tokens[number]
        if _KAZAKH_OFFICE.match(token.lower()) and number:
            if (office := _kazakh_office(tokens, number)) is not None:
                yield ORGANISATIONS, office
        elif token[0].isupper() and token[0].isalpha():
            run = _run(tokens, number)
            last = stem(run[-1].lower(), "kk") if not _KAZAKH_SURNAME.search(run[-1].lower()) else run[-1].lower()
            if 2 <= len(run) <= 3 and _KAZAKH_SURNAME.search(last):
                yield PEOPLE, " ".join([*run[:-1], last.capitalize()])
            number += len(run) - 1
        number += 1


def _kazakh_office(tokens: Sequence[str], number: int) -> str | None:
    """The words before it belong to it from the one with a capital letter on: "Энергетика министрлігі"."""
    begin = next((n for n in range(number - 1, max(-1, number - 5), -1) if tokens[n][0].isupper()), None)
    if begin is None or any(not token[0].isalpha() for token in tokens[begin:number]):
        return None
    head = next((whole for part, whole in _KAZAKH_OFFICES.items() if tokens[number].lower().startswith(part)), None)
    return " ".join([*tokens[begin:number], head or stem(tokens[number].lower(), "kk")])
