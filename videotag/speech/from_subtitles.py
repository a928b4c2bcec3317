"""Subtitles as the transcript: which of them, and their words with times. Nothing is heard."""

import re
from collections.abc import Iterator, Sequence

from videotag.config import SPEECH, SUBTITLES, Video
from videotag.media.texts import Track
from videotag.speech.words import Transcription, Word

_TOGETHER = 0.2  # seconds between the starts of two that begin together
_NOISE = re.compile(r"[\[(♪*][^\])♪*]{0,300}[\])♪*]|[♪♫]")
"""[music], (laughs), ♪ a song ♪: what nobody says. Bounded: what is never closed costs no square of its length."""


def chosen(video: Video, tracks: Sequence[Track], doubts: Sequence[str | None]) -> tuple[Track | None, Sequence[str]]:
    """The subtitles that are the transcript of a video, or None; and what the user should know, a line each.

    `doubts`: for each language of the list why the engine had better not hear it, None where nothing speaks against it.
    """
    told = [doubt for doubt in doubts if doubt]
    tracks = [track for track in tracks if not track.forced]  # else all but a few sentences would be lost
    if video.transcript == SUBTITLES:
        if track := track_for(tracks, video.languages):
            return track, ()
        return None, ["has no subtitles in the list's language, so what is said in it is heard", *told]
    if video.transcript != SPEECH and told and len(doubts) == 1:
        track = track_for([track for track in tracks if track.language], video.languages)
        if track:
            return track, [f"{told[0].partition(';')[0]}: its subtitles are the transcript ({track.source})"]
    return None, told


def track_for(tracks: Sequence[Track], languages: Sequence[str]) -> Track | None:
    """The subtitles in a language of the list, the first ones first; the only ones if none says its language.

    `languages`: ISO 639-1, none: any.
    """
    for language in languages:
        if found := next((track for track in tracks if track.language == language), None):
            return found
    if not languages:
        return next(iter(tracks), None)
    return tracks[0] if len(tracks) == 1 and not tracks[0].language else None


def transcription(track: Track, languages: Sequence[str] = ()) -> Transcription:
    """The words of subtitles in order of time, spread over each by their letters.

    One that the next one overlaps is said before that; two that begin together are said one after the other.
    """
    language = track.language or (languages[0] if len(languages) == 1 else "")
    shown: list[tuple[float, float, str]] = []
    for one in track.subtitles:
        text = _NOISE.sub(" ", one["text"])
        start, end = one["start"], one["end"]
        if shown and start - shown[-1][0] < _TOGETHER:
            first, last, before = shown[-1]
            shown[-1] = first, max(last, end), f"{before} {text}"
        else:
            if shown:
                shown[-1] = shown[-1][0], min(shown[-1][1], start), shown[-1][2]
            shown.append((start, end, text))
    words = tuple(word for start, end, text in shown for word in _words(text.split(), start, end, language))
    return Transcription(words, language or None, 1.0 if language else 0.0)


def _words(texts: Sequence[str], start: float, end: float, language: str) -> Iterator[Word]:
    letters, before = sum(map(len, texts)), 0
    for text in texts:
        after = before + len(text)
        first, last = (start + (end - start) * side / letters for side in (before, after))
        yield Word(f" {text}", round(first, 3), round(last, 3), 1.0, language)
        before = after
