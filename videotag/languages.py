"""What is known of languages: their codes and names in the tools, and how their writing is told apart."""

from collections.abc import Sequence

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
_ISO_639_2 = (
    "alb:sq ara:ar arm:hy aze:az bak:ba baq:eu bel:be ben:bn bul:bg cat:ca ces:cs chi:zh cze:cs dan:da deu:de dut:nl "
    "ell:el eng:en est:et eus:eu fas:fa fin:fi fra:fr fre:fr geo:ka ger:de gle:ga glg:gl gre:el heb:he hin:hi hrv:hr "
    "hun:hu hye:hy ice:is ind:id isl:is ita:it jpn:ja kat:ka kaz:kk khm:km kir:ky kor:ko lao:lo lat:la lav:lv lit:lt "
    "mac:mk may:ms mkd:mk mon:mn msa:ms nld:nl nno:nn nob:no nor:no pan:pa per:fa pol:pl por:pt ron:ro rum:ro rus:ru "
    "slk:sk slo:sk slv:sl spa:es sqi:sq srp:sr swa:sw swe:sv tam:ta tat:tt tgk:tg tgl:tl tha:th tuk:tk tur:tr uig:ug "
    "ukr:uk urd:ur uzb:uz vie:vi zho:zh "
)
_ISO_639_1 = {pair[:3]: pair[4:] for pair in _ISO_639_2.split()}
"""Codes of three letters, the bibliographic ones too, as containers write them, to those of two."""
_IN_RUSSIAN = {
    "ru": "русском", "kk": "казахском", "en": "английском", "uk": "украинском", "uz": "узбекском", "ky": "киргизском",
    "tr": "турецком", "de": "немецком", "fr": "французском", "es": "испанском", "zh": "китайском",
}  # fmt: skip
CYRILLIC_LANGUAGES = {"ru", "kk", "uk", "be", "bg", "ky", "tg", "mn", "sr", "mk", "tt", "ba"}
LATIN_LANGUAGES = ("en", "tr", "uz", "de", "fr", "es")
"""Languages, as far as they are known here, by the script that they are written in."""
KAZAKH_LETTERS = frozenset("әғқңөұүһі")
"""Letters that Russian does not have: 16 of 100 in Kazakh prose, 9 to 24 by the sentence (367 letters counted)."""
_KAZAKH_SHARE = 0.04


def language_name(code: str) -> str:
    """The language in the prepositional case, as in "на ... языке"."""
    return _IN_RUSSIAN.get(code, f"«{code}» (код ISO 639)")


def code_of(tag: str | None) -> str:
    """ISO 639-1 of what a file calls a language ("kaz", "kk-KZ", "RUS"); "" where it names none that is known."""
    code = (tag or "").strip().lower().replace("_", "-").partition("-")[0]
    return code if code in _ISO_639_1.values() else _ISO_639_1.get(code, "")


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
