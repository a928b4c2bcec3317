"""What is known of languages: their codes and names in the tools, and how their writing is told apart."""

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
_IN_RUSSIAN = {
    "ru": "русском", "kk": "казахском", "en": "английском", "uk": "украинском", "uz": "узбекском", "ky": "киргизском",
    "tr": "турецком", "de": "немецком", "fr": "французском", "es": "испанском", "zh": "китайском",
}  # fmt: skip
CYRILLIC_LANGUAGES = {"ru", "kk", "uk", "be", "bg", "ky", "tg", "mn", "sr", "mk", "tt", "ba"}
LATIN_LANGUAGES = ("en", "tr", "uz", "de", "fr", "es")
"""Languages, as far as they are known here, by the script that they are written in."""
KAZAKH_LETTERS = frozenset("әғқңөұүһі")
"""Letters that Russian does not have: 16 of 100 in Kazakh prose, 9 to 24 by the sentence (367 letters counted)."""


def language_name(code: str) -> str:
    """The language in the prepositional case, as in "на ... языке"."""
    return _IN_RUSSIAN.get(code, f"«{code}» (код ISO 639)")
