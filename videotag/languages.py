"""What is known of languages: their codes and names in the tools, and how their writing is told apart."""

import re
from collections.abc import Sequence

from videotag.errors import UserError

MISTAKEN = {
    "kz": "kk", "kaz": "kk", "rus": "ru", "eng": "en", "ua": "uk", "ukr": "uk", "cn": "zh", "jp": "ja", "kr": "ko",
    "cz": "cs", "ge": "ka", "vn": "vi", "dk": "da", "jv": "jw", "nb": "no",
}  # fmt: skip
"""Codes of countries, of ISO 639-2 and newer ones than Whisper's, and what is meant."""
TESSERACT_NAMES = {
    "kk": "kaz", "ru": "rus", "en": "eng", "uk": "ukr", "be": "bel", "ky": "kir", "uz": "uzb", "tr": "tur",
    "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "pl": "pol",
}  # fmt: skip
"""ISO 639-1 to Tesseract's names. `kaz` before `rus`: the other way round Kazakh letters are lost."""
_ISO_639_2 = """
afr af, amh am, ara ar, asm as, aze az, bak ba, bel be, ben bn, bos bs, bre br, bul bg, cat ca, ces cs, cze cs, cym cy,
wel cy, dan da, deu de, ger de, ell el, gre el, eng en, est et, eus eu, baq eu, fao fo, fas fa, per fa, fin fi, fra fr,
fre fr, glg gl, guj gu, hat ht, hau ha, haw haw, heb he, hin hi, hrv hr, scr hr, hun hu, hye hy, arm hy, ind id, isl is,
ice is, ita it, jav jw, jv jw, jpn ja, kan kn, kat ka, geo ka, kaz kk, khm km, kir ky, kor ko, lao lo, lat la, lav lv,
lin ln, lit lt, ltz lb, mal ml, mar mr, mkd mk, mac mk, mlg mg, mlt mt, mon mn, mri mi, mao mi, msa ms, may ms, mya my,
bur my, nep ne, nld nl, dut nl, nno nn, nob no, nor no, nb no, oci oc, pan pa, pol pl, por pt, pus ps, ron ro, rum ro,
mol ro, rus ru, san sa, sin si, slk sk, slo sk, slv sl, sna sn, snd sd, som so, spa es, sqi sq, alb sq, srp sr, scc sr,
sun su, swa sw, swe sv, tam ta, tat tt, tel te, tgk tg, tgl tl, fil tl, tha th, tuk tk, tur tr, uig ug, ukr uk, urd ur,
uzb uz, vie vi, yid yi, yor yo, yue yue, zho zh, chi zh, cmn zh
"""
_BY_TAG = {tag: code for tag, code in map(str.split, _ISO_639_2.replace("\n", " ").split(","))}
"""ISO 639-2, both of its sets (B and T), and what else stands in files, to the codes of the list."""
_CODES = frozenset(_BY_TAG.values())
_IN_RUSSIAN = {
    "ru": "русском", "kk": "казахском", "en": "английском", "uk": "украинском", "uz": "узбекском", "ky": "киргизском",
    "tr": "турецком", "de": "немецком", "fr": "французском", "es": "испанском", "zh": "китайском",
}  # fmt: skip
CYRILLIC_LANGUAGES = {"ru", "kk", "uk", "be", "bg", "ky", "tg", "mn", "sr", "mk", "tt", "ba"}
LATIN_LANGUAGES = ("en", "tr", "uz", "de", "fr", "es")
"""Languages, as far as they are known here, by the script that they are written in."""
KAZAKH_LETTERS = frozenset("әғқңөұүһі")
"""Letters that Russian does not have: 16 of 100 in Kazakh prose, 9 to 24 by the sentence (367 letters counted)."""
AS_RUSSIAN = str.maketrans("әғқңөұүһі", "агкноуухи")
"""Kazakh letters to those that stand for them where they are left out."""
_KAZAKH_SHARE = 0.04
_RUSSIAN_LETTER = re.compile("[а-яё]", re.IGNORECASE)


def language_name(code: str) -> str:
    """The language in the prepositional case, as in "на ... языке"."""
    return _IN_RUSSIAN.get(code, f"«{code}» (код ISO 639)")


def code_of(tag: str | None) -> str:
    """The code in the list of a language that a file tags as ISO 639-1 or -2 or as BCP 47 ("kk-KZ"); "" for none."""
    code = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    return _BY_TAG.get(code, code if code in _CODES else "")


def written_in(text: str, likely: Sequence[str] = ()) -> str:
    """The language of a text that nobody has named, ISO 639-1; "" where its letters do not tell.

    `likely`: what it may be. It is the first whose script this is, but Kazakh with its letters alone.
    """
    letters = [char for char in text.lower() if char.isalpha()]
    cyrillic = sum("\u0400" <= char <= "\u04ff" for char in letters)
    if not letters or not (cyrillic > 0.8 * len(letters) or cyrillic < 0.2 * len(letters)):
        return ""
    kazakh = sum(char in KAZAKH_LETTERS for char in letters) > _KAZAKH_SHARE * len(letters)
    if kazakh:
        return "kk"
    of_script = [code for code in likely if (code in CYRILLIC_LANGUAGES) == bool(cyrillic) and code != "kk"]
    return next(iter(of_script), "ru" if cyrillic and "kk" in likely else "")


def language_in(sentence: str, likely: str) -> str:
    """Whose words these are, ISO 639-1: speech in one language (`likely`) quotes others, titles add English."""
    kazakh = KAZAKH_LETTERS.intersection(sentence.lower())
    if not kazakh and not _RUSSIAN_LETTER.search(sentence):
        return "en" if likely in ("ru", "kk") else likely
    return likely if likely not in ("ru", "kk", "en") else "kk" if kazakh else "ru"


def check_output_language(code: str | None) -> None:
    """Raises UserError if what was named with --output-language is no code of a language."""
    if code and not re.fullmatch("[a-z]{2,3}(-[A-Za-z]+)?", code):
        raise UserError(f'--output-language {code}: is no language code such as "ru", "kk", "en"')
