"""Pages of templates, in the language of who asks: Russian, Kazakh or English."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from videotag.fields import SEGMENT, SUMMARY, VIDEO
from videotag.text import clean
from videotag.times import clock

HERE = Path(__file__).parent
LANGUAGES = ("ru", "kk", "en")
LABELS = {field.name: field.label for field in (*VIDEO, *SUMMARY, *SEGMENT)}


class Pages:
    """Makes pages. Everything that a template shows is escaped, and in one line."""

    @cached_property
    def words(self) -> dict[str, dict[str, str]]:
        """The interface's texts by language and key."""
        return {code: json.loads((HERE / "words" / f"{code}.json").read_text("utf-8")) for code in LANGUAGES}

    @cached_property
    def _templates(self) -> Environment:
        loader = FileSystemLoader(HERE / "templates")
        made = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        made.filters["clock"] = clock
        return made

    def render(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """A page. Besides its `values` a template has `request`, `language` and

        t(key, **values)            the text of that key in the page's language
        link(*parts, **query)       an address in this site, of parts of a path and what is asked; None is left out
        label(field)                what a field of a record is called
        """
        language = language_of(request)
        own = {"lang": language} if request.query_params.get("lang") in LANGUAGES else {}

        def t(key: str, **given: Any) -> str:
            return self.words[language][key].format(**given)

        def link(*parts: str | float, **query: Any) -> str:
            return address(*parts, **{**own, **query})

        def label(field: str) -> str:
            return getattr(LABELS[field], language)

        context = {
            "request": request,
            "language": language,
            "languages": LANGUAGES,
            "t": t,
            "link": link,
            "label": label,
        }
        html = self._templates.get_template(template).render({**context, "own": own, **values})
        return HTMLResponse(html, status)

    def error(self, request: Request, status: int, told: str = "") -> Response:
        """What is wrong, as a page, or as JSON under /api. `told`: the line of a UserError."""
        key = f"error.{status}"
        if key not in self.words["en"]:
            key = "error.400" if status < 500 else "error.500"
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": told or self.words["en"][key]}, status)
        return self.render(request, "error.html", status, title=key, told=told)


def _shown(value: Any) -> Any:
    """Without characters that could turn the text around or steer what shows it."""
    return clean(value) if type(value) is str else value


def address(*parts: str | float, **query: Any) -> str:
    """`/video/name?t=3` of "video", "name", t=3. A value is a text, a number or a list of them; None is left out."""
    given = urlencode({name: value for name, value in query.items() if value is not None}, doseq=True)
    return "/" + "/".join(quote(str(part), safe="") for part in parts) + (f"?{given}" if given else "")


def language_of(request: Request) -> str:
    """The one that the address names (`?lang=kk`), or the first of ours that the browser asks for, or English."""
    asked = request.query_params.get("lang")
    if asked in LANGUAGES:
        return asked
    weights: dict[str, float] = {}
    for part in request.headers.get("accept-language", "").split(","):
        code, _, rest = part.strip().lower().partition(";")
        weights.setdefault(code.split("-")[0], _weight(rest))
    best = max(LANGUAGES, key=lambda code: weights.get(code, 0.0))
    return best if weights.get(best) else "en"


def _weight(text: str) -> float:
    """Of `q=0.8`; 1 where nothing is said."""
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
