"""A database of scripted hits, with the methods that the search program calls."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from videotag.errors import UserError


def hit(video: str = "news", start: float = 0.0, score: float = 0.9, **fields: Any) -> dict[str, Any]:
    """A segment of 50 seconds as a search gives it."""
    return {
        "id": f"{video}_seg_{int(start // 35)}",
        "video_name": video,
        "video_path": f"video/{video}.mp4",
        "segment_index": int(start // 35),
        "start_time": float(start),
        "end_time": float(start + 50),
        "language": "ru",
        "transcript": "",
        "description": "",
        "content_type": "новости",
        "mood_atmosphere": "",
        "confidence": "низкая",
        "score": score,
        "close": True,
        **fields,
    }


def video(name: str = "news", score: float = 0.9, **fields: Any) -> dict[str, Any]:
    """A whole video of 100 seconds as a search gives it."""
    return {
        "id": name,
        "video_name": name,
        "video_path": f"video/{name}.mp4",
        "title": "",
        "summary": "",
        "chapters": [],
        "language": "ru",
        "method": "extractive",
        "segments_used": 3,
        "segments_total": 3,
        "start": 0.0,
        "end": 100.0,
        "score": score,
        "close": True,
        **fields,
    }


class FakeVideos:
    """Whole videos, as far as they pass the filters."""

    def __init__(self, *videos: dict[str, Any]) -> None:
        self.all = videos
        self.meant: dict[str, str] = {}

    def as_meant(self, question: str) -> str:
        return self.meant.get(question, question)

    def hits(self, query: str, *, page: int = 10, **filters: Any) -> Iterator[dict[str, Any]]:
        return (one for one in self.all if all(_is_one_of(one[name], value) for name, value in filters.items()))

    def about(self, query: str, **filters: Any) -> list[dict[str, Any]]:
        return [one for one in self.hits(query, **filters) if one["close"]]

    def facets(self, field: str) -> dict[Any, int]:
        return dict(Counter(one[field] for one in self.all))


class FakePictures:
    """What is said of how pictures are asked."""

    def __init__(self) -> None:
        self.said: tuple[str, dict[str, str]] | None = None

    def remark(self, question: str) -> tuple[str, dict[str, str]] | None:
        return self.said


class FakeDatabase:
    """Gives its hits, in their order, as far as they pass the filters; `added` is a field of a hit here."""

    def __init__(self, *hits: dict[str, Any]) -> None:
        self.all = hits
        self.records: list[dict[str, Any]] = []  # of video_files
        self.asked: list[Any] = []  # (question or place, page) of each call
        self.facets_of: list[str] = []
        self.broken: BaseException | None = None
        self.meant: dict[str, str] = {}  # by what is typed
        self.whole_videos: Any = FakeVideos()
        self.pictures: Any = FakePictures()

    def as_meant(self, question: str) -> str:
        return self.meant.get(question, question)

    def hits(
        self,
        query: str,
        like: tuple[str, float] | None = None,
        page: int = 10,
        picture: Any = None,
        *,
        without: Mapping[str, list] | None = None,
        added: tuple[str | None, str | None] | None = None,
        time: tuple[float | None, float | None] | None = None,
        **filters: Any,
    ) -> Iterator[dict[str, Any]]:
        if like and not any(
            h["video_name"] == like[0] and h["start_time"] <= like[1] <= h["end_time"] for h in self.all
        ):
            raise UserError(f"{like[0]}: has no such moment")
        asked = f"{like[0]}@{like[1]}" if like else query
        if picture is not None:
            asked = f"{picture[0]}@{picture[1]:g}" if isinstance(picture, tuple) else str(picture[0, 0].tolist())
        self.asked.append((asked, page))
        if self.broken:
            raise self.broken
        return (
            hit
            for hit in self.all
            if all(_is_one_of(hit[field], wanted) for field, wanted in filters.items())
            and not any(_is_one_of(hit[field], unwanted) for field, unwanted in (without or {}).items())
            and _between(hit.get("added", ""), hit.get("added", ""), added)
            and _between(hit["start_time"], hit["end_time"], time)
        )

    def list_videos(self, status_filter: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        wanted = (status_filter or {}).get("video_name")
        return [record for record in self.records if wanted is None or record["video_name"] in wanted]

    def get_video_status(self, video_name: str) -> dict[str, Any]:
        return next(iter(self.list_videos({"video_name": [video_name]})), {})

    def video_names(self, status_filter: Mapping[str, Any] | None = None) -> list[str]:
        return sorted(record["video_name"] for record in self.list_videos(status_filter))

    def count_segments(self, video_name: str | None = None) -> int:
        return sum(video_name in (None, hit["video_name"]) for hit in self.all)

    def facets(self, field: str) -> dict[Any, int]:
        self.facets_of.append(field)
        values = [hit.get(field) for hit in self.all]
        return dict(Counter(v for value in values if value for v in (value if isinstance(value, list) else [value])))


def _is_one_of(value: Any, wanted: list) -> bool:
    return bool(set(value if isinstance(value, list) else [value]) & set(wanted))


def _between(first: Any, last: Any, bounds: tuple[Any, Any] | None) -> bool:
    low, high = bounds or (None, None)
    return (low is None or last >= low) and (high is None or first < high)
