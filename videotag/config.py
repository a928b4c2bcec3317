"""videos_config.json: the list of videos. Read by phase 1 alone, and never written by a program."""

import hashlib
import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from videotag.errors import UserError
from videotag.languages import MISTAKEN, code_of
from videotag.text import composed, printable

MAX_NAME_BYTES = 200
"""A file name may have 255 bytes; `_phase2_vllm_analysis.json.part` and a temporary ending need the rest."""
_WINDOWS_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(1, 10))}
_TRACK = 'a number from 1, a language code, or "mix"'
_KINDS = {
    "text": str,
    "true or false": bool,
    "text or a list of texts": (str, list),
    "a list of texts": list,
    _TRACK: (int, str),
}
_FIELDS = {
    "name": "text",
    "path": "text",
    "language": "text or a list of texts",
    "description": "text",
    "force_reprocess": "true or false",
    "names": "a list of texts",
    "audio_track": _TRACK,
    "transcript": "text",
}
_REQUIRED = ("name", "path", "language")
_MOST_MISTAKES = 20
_MOST_NAMES, _LONGEST_NAME = 200, 60
ANY, MIX = "auto", "mix"
SUBTITLES, SPEECH = TRANSCRIPTS = ("subtitles", "speech")
"""Of what the transcript is made: of subtitles, where there are any; of what is heard, whatever else there is."""


@dataclass(frozen=True)
class Video:
    """One entry of the list.

    `language` is ISO 639-1 in lower case, several of them parted by commas, or "auto". `names` are those that may be
    said in it, those of the whole list among them.
    """

    name: str
    path: str
    language: str
    description: str = ""
    force_reprocess: bool = False
    names: tuple[str, ...] = ()
    audio_track: str = ""  # a number from 1, ISO 639-1, or "mix"; "": the best
    transcript: str = ""  # one of TRANSCRIPTS; "": of what is heard, but where no engine at hand knows the language

    @property
    def languages(self) -> tuple[str, ...]:
        """The language that is expected, or all that may be spoken; none: any."""
        return () if self.language == ANY else tuple(self.language.split(","))

    @property
    def config_hash(self) -> str:
        """Changes when the entry does, so that a `force_reprocess` left standing counts once.

        Names do not count: other ones make nothing due.
        """
        entry = [self.name, self.path, self.language, self.description, self.force_reprocess]
        # Without them it is the hash of before there were any.
        entry += [field for field in (self.audio_track, self.transcript) if field]
        return hashlib.sha256(json.dumps(entry, ensure_ascii=False).encode()).hexdigest()[:16]


def load_videos(path: Path, knows: Callable[[str], bool]) -> list[Video]:
    """Read and check the list of videos.

    A process that does one video after the other of 100,000 (scale_out.py) checks them once, which takes 4 s of CPU,
    and not for each.

    Args:
        knows: whether the speech of a language, ISO 639-1, can be written down.

    Raises:
        UserError: the mistakes of the file (the first 20), a line each, that names the entry and the field.
    """
    try:
        state = path.stat()
    except OSError:  # which is told by who reads it
        return _checked(path, knows, None)[:]
    return _checked(path, knows, (state.st_mtime_ns, state.st_size))[:]


@lru_cache(maxsize=1)
def _checked(path: Path, knows: Callable[[str], bool], state: tuple[int, int] | None) -> list[Video]:
    entries, names = _entries(path)
    mistakes = [f"{path}: {mistake}" for mistake in (*_names_mistakes(names), *_mistakes(entries, knows))]
    if len(mistakes) > _MOST_MISTAKES:
        mistakes[_MOST_MISTAKES:] = [f"{path}: and {len(mistakes) - _MOST_MISTAKES} more mistakes"]
    if mistakes:
        raise UserError("\n".join(mistakes))
    listing = cache(_listing)
    return [_video(entry, names, on_disk(entry["path"], listing)) for entry in entries]


def on_disk(path: str, listing: Callable[[Path], dict[str, str]]) -> str:
    """The path as the disk spells it, where that differs from `path` in Unicode normal form only; else `path`.

    A Mac writes й as и and a breve, and Linux takes that for another name.

    Args:
        listing: gives the names in a folder by their composed form.
    """
    if path.isascii() or os.path.lexists(path):
        return path
    found = Path(Path(path).anchor)
    for part in Path(path).parts[1 if found.parts else 0 :]:
        inside = found / part
        found = inside if os.path.lexists(inside) else found / listing(found).get(composed(part), part)
    return str(found) if os.path.lexists(found) else path


def _listing(folder: Path) -> dict[str, str]:
    try:
        return {composed(name): name for name in sorted(os.listdir(folder), reverse=True)}
    except OSError:
        return {}


def read_names(path: Path) -> list[str]:
    """Names from a text file, one a line; empty lines and what follows a # do not count.

    Raises:
        UserError: it cannot be read, or holds what is no name.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend its path or its rights") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    names = [name for line in lines if (name := line.partition("#")[0].strip())]
    for mistake in _names_mistakes(names):
        raise UserError(f"{path}: {mistake}")
    return names


def _video(entry: dict[str, Any], names: list[str], path: str) -> Video:
    languages = [entry["language"]] if isinstance(entry["language"], str) else entry["language"]
    language = ",".join(dict.fromkeys(language.lower() for language in languages))
    own = dict.fromkeys(name.strip() for name in [*entry.get("names", []), *names])  # the most telling first
    track = str(entry.get("audio_track", "")).lower()
    changes = {"name": composed(entry["name"]), "path": path, "language": language, "audio_track": track}
    return Video(**{**entry, **changes, "names": tuple(own)})


def _entries(path: Path) -> tuple[list[Any], Any]:
    """The videos, and the names for all of them."""
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=partial(_once, path))
    except FileNotFoundError:
        raise UserError(f'{path}: not found; write {{"videos": [{{"name", "path", "language"}}, ...]}} to it') from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path}: is nested too deeply to be a list of videos") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: is not JSON: {error}; mend that place") from None
    except ValueError:
        raise UserError(f"{path}: holds a number of thousands of digits; take it out") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; mend its rights, or name another list") from None
    videos = config.get("videos") if isinstance(config, dict) else None
    if not isinstance(videos, list):
        raise UserError(f'{path}: must be {{"videos": [...]}}')
    return videos, config.get("names", [])


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a field that is given twice Python would take the last without a word."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice, _ = Counter(field for field, _ in pairs).most_common(1)[0]
        raise UserError(f'{path}: "{printable(twice)[:60]}" is given twice in one place; take one out')
    return fields


def _mistakes(entries: list[Any], knows: Callable[[str], bool]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            yield f"video {number}: must be an object with name, path and language"
            continue
        name = entry.get("name")
        label = f"video {number} ({printable(name)[:60]})" if isinstance(name, str) else f"video {number}"
        for mistake in [*_field_mistakes(entry), *_value_mistakes(entry, knows)]:
            yield f"{label}: {mistake}"
        if isinstance(name, str):
            key = composed(name).casefold()  # as file systems that ignore case and form see it
            if key in seen:
                yield f"{label}: name: is also the name of video {seen[key]}; names must differ, regardless of case"
            seen.setdefault(key, number)


def _field_mistakes(entry: dict[str, Any]) -> Iterator[str]:
    yield from (f"{field}: is missing" for field in _REQUIRED if field not in entry)
    for field, value in entry.items():
        if field not in _FIELDS:
            yield f"{printable(field)[:60]}: is not a field; the fields are {', '.join(_FIELDS)}"
        elif not isinstance(value, _KINDS[_FIELDS[field]]):
            yield f"{field}: must be {_FIELDS[field]}"
    if isinstance(names := entry.get("names"), list):
        yield from _names_mistakes(names)


def _names_mistakes(names: Any) -> Iterator[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        yield "names: must be a list of texts"
    elif len(names) > _MOST_NAMES:
        yield f"names: are {len(names)}, the engines can be given {_MOST_NAMES}; leave out what is often said"
    elif bad := [name for name in names if not name.strip() or not name.isprintable() or "<|" in name]:
        yield f'names: "{printable(bad[0])[:60]}" is no name'
    elif long := [name for name in names if len(name) > _LONGEST_NAME]:
        yield f'names: "{printable(long[0])[:60]}..." is longer than {_LONGEST_NAME} characters'


def _value_mistakes(entry: dict[str, Any], knows: Callable[[str], bool]) -> Iterator[str]:
    name, path, language = (entry.get(field) for field in _REQUIRED)
    if isinstance(name, str) and (mistake := name_mistake(composed(name))):
        yield f"name: {mistake}"
    if isinstance(path, str) and (not path.strip() or "\0" in path):
        yield "path: is empty" if not path.strip() else "path: holds a NUL character"
    for field in ("path", "description"):
        if any("\ud800" <= char <= "\udfff" for char in str(entry.get(field))):
            yield f"{field}: holds half a character (\\ud800 to \\udfff without the other half)"
    if isinstance(track := entry.get("audio_track"), int | str) and not _is_track(track):
        yield f"audio_track: must be {_TRACK}"
    transcript = entry.get("transcript", SPEECH)
    if isinstance(transcript, str) and transcript not in TRANSCRIPTS:
        yield f'transcript: "{printable(transcript)[:60]}" is none of {", ".join(TRANSCRIPTS)}'
    if isinstance(language, str) and language.lower() != ANY:
        yield from _language_mistakes(language, knows)
    if isinstance(language, list):
        yield from _list_mistakes(language, knows)


def _is_track(value: int | str) -> bool:
    text = str(value).lower()
    return not isinstance(value, bool) and (text == MIX or bool(re.fullmatch("[1-9][0-9]?", text) or code_of(text)))


def _list_mistakes(languages: list[Any], knows: Callable[[str], bool]) -> Iterator[str]:
    if not languages or ANY in languages:
        yield f'language: a list holds codes of languages alone; where any may be spoken, write "{ANY}" instead'
    for code in languages:
        if not isinstance(code, str):
            yield "language: must be text or a list of texts"
        elif code != ANY:
            yield from _language_mistakes(code, knows)


def _language_mistakes(code: str, knows: Callable[[str], bool]) -> Iterator[str]:
    if not re.fullmatch("[a-z]{2,3}", code.lower()):
        yield f'language: "{printable(code)[:20]}" is not a language code such as "kk", "ru", "en", or "{ANY}"'
    elif not knows(code.lower()):
        meant = MISTAKEN.get(code.lower())
        remedy = f'write "{meant}"' if meant else f'leave it to "{ANY}"'
        yield f'language: "{code}" is none that the engines know; {remedy}'


def name_mistake(name: str) -> str | None:
    """Why `name` cannot be part of file names and ids, or None.

    Letters and digits of any script, `_`, `-`, `.`, and spaces inside: nothing that could leave the data folder.
    """
    if not name:
        return "is empty"
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        return f"is longer than {MAX_NAME_BYTES} bytes"
    if name != composed(name):
        return "has letters in decomposed form; write it in Unicode's composed form (NFC)"
    # Marks (M) belong to the letters of many scripts; cased or not, letters are L, digits N.
    if bad := sorted({char for char in name if char not in "_-. " and unicodedata.category(char)[0] not in "LNM"}):
        return f"may hold letters, digits, _ - . and spaces, not {' '.join(map(ascii, bad))}"
    if name[0] in " ." or name[-1] in " .":
        return "must not begin or end with a space or a dot"
    if name.split(".")[0].casefold() in _WINDOWS_DEVICES:
        return "is a device name on Windows"
    return None
