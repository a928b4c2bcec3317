"""Servers with OpenAI's HTTP interface: one question, what its failure means, how a server is doing; and several.

One that fails is left alone for a while, then asked one thing at a time; one that is busy or too slow gets fewer
questions at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from videotag.errors import EngineError

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger("videotag")
T = TypeVar("T")
LARGEST_ANSWER = 8 << 20  # bytes
SHORTEST_KEY = 8  # characters; a shorter key is a stand-in ("x", "none") and no secret
GROW_AFTER = 16  # good answers in a row after which a server that was too busy gets one more question at once
MOST_DOUBLED = 30
"""Times that a pause is doubled at most: after a day of failures the number would be too large for a float."""
TEMPERATURE = 0.1
THINKING = 4096
"""Tokens beside the answer's own for a model that counts what it thinks: it may think for so long, or say nothing."""
BUSY = (408, 409, 425, 429, 503)
WRONG_KEY = (401, 402, 403)


@dataclass(frozen=True)
class Patience:
    """How long to try. Times are seconds; a 7B model on a CPU needs about 300 for a segment.

    A server is given up at a sum of `trouble` of `Failure.weight` since its last good answer, and a segment at that sum
    of `Failure.blame`.
    """

    connect: float = 10.0  # to reach a server
    answer: float = 600.0  # from the question to the last byte of the answer, whatever comes in between
    check: float = 60.0  # for a tiny question that tells a server that works from one that hangs
    trouble: float = 6.0
    first_pause: float = 1.0  # after a failure; doubled with each in a row
    longest_pause: float = 60.0  # Retry-After is held to it, too


class Refused(Exception):
    """The server works and will not answer this very question."""


class NoSuchModel(EngineError):
    """Neither the model nor the address is known there."""


class Failure(Exception):
    """A question that was not answered; another try may help.

    Attributes:
        status: of the answer (HTTP); 0 where there was none.
        weight: how much it tells against the server (1: a plain failure).
        blame: how much it tells against the question.
        busy: the server has too much to do: fewer questions at once.
        wait: seconds for which the server wants to be left alone.
    """

    def __init__(
        self, text: str, status: int = 0, weight: float = 1, blame: float = 1, busy: bool = False, wait: float = 0
    ) -> None:
        super().__init__(text)
        self.status, self.weight, self.blame, self.busy, self.wait = status, weight, blame, busy, wait


class Server:
    """One server, and how it is doing.

    Args:
        url: with the version ("http://127.0.0.1:8000/v1"); may hold a user and a password, which are never shown.
        most: questions at once.
        key: sent as a header if it is not empty, and cut out of whatever comes back.

    Raises:
        EngineError: that is no address.
    """

    def __init__(self, url: str, most: int, key: str = "") -> None:
        import httpx2

        self.form = "text"  # of its answers; this and the next two are found out by asking
        self.thinks = False  # counts what it thinks as part of its answer
        self.temperature: float | None = TEMPERATURE  # None: it has one of its own
        self.asked = self.in_flight = 0
        self.limit = self._most = most
        self.trouble, self.paused_until = 0.0, 0.0
        self._failed_in_a_row = self._good_in_a_row = 0
        self._news = 0.0  # what began before this moment tells nothing new
        self._key = key
        try:
            self._url = httpx2.URL(url.rstrip("/"))
        except httpx2.InvalidURL:
            self._url = httpx2.URL("")
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise EngineError("--base-url: not an address such as http://127.0.0.1:8000/v1")
        self.name = str(self._url.copy_with(userinfo=b"", query=None, fragment=None))

    @property
    def slots(self) -> int:
        """Questions that it may get at once; one that just failed is tried with one."""
        return 1 if self.trouble else self.limit

    def free(self) -> bool:
        return self.in_flight < self.slots and time.monotonic() >= self.paused_until

    def did_well(self) -> None:
        self.trouble = self._failed_in_a_row = 0
        self._good_in_a_row += 1
        if self._good_in_a_row >= GROW_AFTER:
            self._good_in_a_row = 0
            self.limit = min(self._most, self.limit + 1)

    def did_badly(self, began: float, failure: Failure, patience: Patience) -> bool:
        """Note a failure; False if it came together with others that are noted already."""
        if began < self._news:
            return False
        pause = min(patience.longest_pause, patience.first_pause * 2.0 ** min(self._failed_in_a_row, MOST_DOUBLED))
        pause = max(pause * random.uniform(0.5, 1), min(failure.wait, patience.longest_pause))
        self._failed_in_a_row += 1
        self._good_in_a_row = 0
        self.trouble += failure.weight
        if failure.busy:
            self.limit = max(1, self.limit // 2)
        self._news = time.monotonic()
        self.paused_until = self._news + pause
        return True

    def heed(self, refusal: str) -> bool:
        """Ask differently from now on, if a refusal says how; whether it does.

        OpenAI's models that think want another name for the limit, and take no temperature but their own.
        """
        if "max_completion_tokens" in refusal and not self.thinks:
            self.thinks = True
        elif "'temperature'" in refusal and self.temperature is not None:
            self.temperature = None
        else:
            return False
        return True

    def limits(self, most: int) -> dict[str, Any]:
        """The part of a question that says how to answer it, in at most so many tokens."""
        limit = {"max_completion_tokens": most + THINKING} if self.thinks else {"max_tokens": most}
        return limit if self.temperature is None else {**limit, "temperature": self.temperature}

    async def ask(self, http: httpx2.AsyncClient, seconds: float, path: str, body: Any = None) -> dict[str, Any]:
        """Ask once. `body` None is a GET; a path that begins with / is beside the version, not under it.

        Raises:
            Failure: no answer, or none that can be read.
            Refused: not to this question.
            EngineError: to none like it: the key, the model or the address is wrong.
        """
        import httpx2

        try:
            async with asyncio.timeout(seconds):
                status, headers, text = await self._exchange(http, path, body)
        except TimeoutError:
            raise Failure(f"no answer within {seconds:g} s", weight=2, blame=2, busy=True) from None
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise Failure(f"no connection: {self._clean(str(error)) or type(error).__name__}", blame=0) from None
        except httpx2.RequestError as error:
            raise Failure(f"{type(error).__name__}: {self._clean(str(error))}") from None
        if status != 200:
            self._refuse(status, headers, _message(text), path)
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Failure(f"its answer is {_kind(text)}, not JSON; an address usually ends in /v1")
        if answer.get("error"):  # a proxy's, with status 200
            raise Failure(_message(text))
        return answer

    async def _exchange(self, http: httpx2.AsyncClient, path: str, body: Any) -> tuple[int, httpx2.Headers, str]:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        base = self._url.path.rstrip("/")
        url = self._url.copy_with(path=f"{base.removesuffix('/v1')}{path}" if path[0] == "/" else f"{base}/{path}")
        method = "GET" if body is None else "POST"
        async with http.stream(method, url, json=body, headers=headers) as response:
            data = bytearray()
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) > LARGEST_ANSWER:
                    raise Failure(f"its answer is longer than {LARGEST_ANSWER >> 20} MB")
        return response.status_code, response.headers, self._clean(data.decode("utf-8", "replace"))

    def _refuse(self, status: int, headers: httpx2.Headers, message: str, path: str) -> None:
        said = f"{status}, {message}"
        if status in WRONG_KEY or "insufficient_quota" in message:
            raise EngineError(f"{self.name} refuses the key: {said}; set OPENAI_API_KEY to one that it takes")
        if status == 404:
            raise NoSuchModel(f"{self.name}/{path}: {said}; check --model, and --base-url, which usually ends in /v1")
        if status < 400:
            there = self._clean(headers.get("location", "nowhere"))[:200]
            raise EngineError(f"{self.name}/{path}: redirected ({status}) to {there}; give --base-url the last address")
        if status == 429 and "request too large" in message.lower():  # it is not the time, it is the question
            raise Refused(said)
        if status in BUSY:
            wait = _seconds(headers.get("retry-after"))
            raise Failure(f"busy: {said}", status, weight=0.3, blame=0, busy=True, wait=wait)
        raise Failure(said, status) if status >= 500 else Refused(said)

    def _clean(self, text: str) -> str:
        return text.replace(self._key, "***") if len(self._key) >= SHORTEST_KEY else text


class Pool:
    """Servers that share the work by load, in one event loop. `alive` asks one something tiny: whether it works."""

    def __init__(self, servers: list[Server], patience: Patience, alive: Callable[[Server], Awaitable[bool]]) -> None:
        self._servers, self._patience, self._alive = list(servers), patience, alive
        self._turn = asyncio.Lock()  # first come, first served: the first video is finished first
        self._changed = asyncio.Event()
        self._gone = EngineError("there is no server")

    async def ask(self, question: Callable[[Server], Awaitable[T]]) -> T:
        """The answer of the server that has least to do; another one, or the same one later, where it fails.

        Raises:
            Refused: a server works and does not answer this question.
            Failure: it was tried often enough, and the servers work.
            EngineError: no server is left; the line says what became of the last one.
        """
        blame = 0.0
        while True:
            server = await self._take()
            began = time.monotonic()
            try:
                answer = await question(server)
                server.did_well()
                return answer
            except Refused:
                server.did_well()
                raise
            except EngineError as error:
                self._leave_out(server, str(error), error)
            except Failure as failure:
                checked = False
                blame += failure.blame
                log.info("%s: %s", server.name, failure)
                if server.did_badly(began, failure, self._patience) and server.trouble >= self._patience.trouble:
                    await self._check(server, failure)
                    checked = server in self._servers
                    blame += checked  # else a question that is always too much for it would be asked for ever
                if blame >= self._patience.trouble and server in self._servers:
                    raise
                if checked:
                    log.warning("%s: %s; it is asked again", server.name, failure)
            finally:
                server.in_flight -= 1
                self._changed.set()

    async def _take(self) -> Server:
        async with self._turn:
            while True:
                if not self._servers:
                    raise self._gone
                free = [server for server in self._servers if server.free()]
                if free:
                    server = min(free, key=lambda server: (server.in_flight / server.slots, server.asked))
                    server.in_flight += 1
                    server.asked += 1
                    return server
                await self._wait()

    async def _wait(self) -> None:
        """Until a question is answered or a pause is over."""
        now = time.monotonic()
        pauses = [server.paused_until - now for server in self._servers if server.paused_until > now]
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(pauses, default=60.0) + 0.001):
                await self._changed.wait()

    async def _check(self, server: Server, failure: Failure) -> None:
        """Keep a server that still answers something tiny: the questions are at fault, not the server."""
        server.paused_until = float("inf")
        try:
            alive = await self._alive(server)
        except EngineError as error:
            self._leave_out(server, str(error), error)
            return
        if alive:
            server.trouble = server.paused_until = 0.0
            return
        remedy = "start it and run again: what is finished is kept"
        end = EngineError(f"{server.name} does not answer ({failure}); {remedy}")
        self._leave_out(server, f"{server.name} does not answer any more ({failure})", end)

    def _leave_out(self, server: Server, why: str, end: EngineError) -> None:
        """Go on without a server; after the last one, `end` is raised for all who still wait."""
        if server not in self._servers:  # another question has found it out in the meantime
            return
        self._servers.remove(server)
        self._gone = end
        if self._servers:
            log.warning("%s; going on without it", why)


def _message(text: str) -> str:
    """What an error's body says, in one line."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:200] if _kind(text) == "text" else _kind(text)
    if isinstance(found, dict):
        found = found.get("error") or found.get("message") or found.get("detail") or found
    if isinstance(found, dict):
        # A code in words ("insufficient_quota"); in digits it is the status once more.
        parts = [found[part] for part in ("code", "message") if isinstance(found.get(part), str)]
        found = " ".join(parts) or found
    return " ".join(str(found).split())[:300]


def _kind(text: str) -> str:
    start = text.lstrip()[:200].lower()
    return "empty" if not start else "an HTML page" if "<html" in start or "<!doctype" in start else "text"


def _seconds(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:  # a date: the own pauses do
        return 0.0
