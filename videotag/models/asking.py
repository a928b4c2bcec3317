"""Asking several servers with OpenAI's HTTP interface many things at once: who answers, in which form, as it comes.

The key comes from OPENAI_API_KEY, goes out as a header and is never shown or stored. Standard proxy variables of the
environment hold.
"""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import logging
import os
import queue
import ssl
import threading
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from videotag.errors import EngineError
from videotag.models import chat
from videotag.models.servers import Failure, NoSuchModel, Patience, Pool, Refused, Server
from videotag.options import option

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger("videotag")
LEAD = 2  # questions that are prepared beyond those under way, so that no server waits for pictures
STOP_SECONDS = 1.5
CONTEXT = 4096  # tokens, where a server does not tell: Ollama's default; it cuts longer questions without a word
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ServerOptions:
    """Which servers are asked. `model` None: the server's only one."""

    model: str | None = option(None, "name or folder of the model", metavar="MODEL")
    base_url: str = option("", "the server; several, separated by commas", metavar="URL")
    concurrency: int = option(8, "requests under way at once (8 to each server)", type=int, metavar="N")


class Servers:
    """The servers that the options name and that answer.

    Args:
        who: asks them, in words.
        form: of answers, with which they are tried.
        sees: pictures will be shown.

    Raises:
        EngineError: no server answers, or none can do what is needed; the line says what to mend.
    """

    def __init__(
        self, who: str, options: ServerOptions, form: chat.Form, sees: bool, patience: Patience | None = None
    ) -> None:
        if not importlib.util.find_spec("httpx2"):
            raise EngineError(f"{who} needs httpx2: pip install -r requirements.txt")
        self._patience = patience or Patience()
        self._tiny, self._sees = replace(form, most=chat.TINY), sees
        self._servers = _servers_of(who, options)
        self._most = options.concurrency
        self._model = options.model or ""
        self._servers = asyncio.run(self._met())
        self.model = self._model
        self.temperature = self._servers[0].temperature
        each = ", ".join(f"{server.name} (answers as {server.form})" for server in self._servers)
        self.description = f"model {self._model} at {each}; up to {self._most} requests at once to each"

    def context(self) -> int:
        """Tokens of a question and its answer together: the least that a server tells of the model, else `CONTEXT`."""

        async def told() -> list[int]:
            async with _client(self._patience) as http:
                return [await _context(http, server, self._model, self._patience) for server in self._servers]

        return min(asyncio.run(told()))

    def tokens(self, text: str) -> int:
        """How many tokens a text has: as the first server counts them (vLLM's /tokenize), else too many."""

        async def counted() -> Any:
            async with _client(self._patience) as http:
                body = {"model": self._model, "prompt": text}
                return (await self._servers[0].ask(http, self._patience.check, "/tokenize", body)).get("count")

        count: Any = None
        with suppress(Failure, Refused, EngineError):  # most servers have no such thing
            count = asyncio.run(counted())
        return count if type(count) is int and count > 0 else len(text.encode()) // chat.BYTES_A_TOKEN

    def answers(
        self, things: Iterable[T], answer: Callable[[T, chat.Ask], Coroutine[Any, Any, R]]
    ) -> Generator[tuple[T, R], None, None]:
        """Yield each thing with what `answer` made of it, as it is finished. Things are pulled in the calling thread.

        Where they have come to an end, they are asked again after each answer: it may have brought another.
        `answer` asks, once or more, in another thread.

        Raises:
            EngineError: the last server is gone, or refuses the key, the model or the address.
        """
        most = (self._most + LEAD) * len(self._servers)
        source, answered = iter(things), queue.SimpleQueue[tuple[T, "Future[R]"]]()
        under_way, stop = 0, None
        http = _client(self._patience)
        pool = Pool(self._servers, self._patience, partial(self._works, http))

        async def ask(messages: chat.Messages, form: chat.Form) -> chat.Answer:
            return await pool.ask(partial(self._ask, http, self._patience.answer, messages, form))

        with _background(http) as submit:
            while True:
                for thing in itertools.islice(source, most - under_way):
                    future = submit(answer(thing, ask))
                    future.add_done_callback(lambda done, thing=thing: answered.put((thing, done)))
                    under_way += 1
                if not under_way:
                    break
                thing, future = _next(answered)
                under_way -= 1
                error = future.exception()
                if error is None:
                    yield thing, future.result()
                elif isinstance(error, EngineError):  # what is under way may still be answered by another server
                    stop, source = error, iter(())
                else:
                    raise error
        if stop:
            raise stop

    async def _ask(
        self, http: httpx2.AsyncClient, seconds: float, messages: chat.Messages, form: chat.Form, server: Server
    ) -> chat.Answer:
        body = {"model": self._model, "messages": messages, **server.limits(form.most)}
        body |= chat.answer_in(server.form, form)
        return chat.reply(await server.ask(http, seconds, "chat/completions", body))

    # --- before the first question: who answers, and how

    async def _met(self) -> list[Server]:
        """The servers that answer; the model and the form of answers are settled."""
        async with _client(self._patience) as http:
            silent: dict[str, str] = {}
            if not self._model:
                self._model = await self._only_model(http)
            met = await asyncio.gather(*(self._meet(http, server, silent) for server in self._servers))
        working = [server for server, works in zip(self._servers, met, strict=True) if works]
        if not working:
            raise EngineError("; ".join(f"{name}: {why}" for name, why in silent.items()) + "; is it started?")
        for name, why in silent.items():
            log.warning("%s: %s; going on without it", name, why)
        return working

    async def _only_model(self, http: httpx2.AsyncClient) -> str:
        """The model of the first server that answers."""
        silent: list[str] = []
        for server in self._servers:
            try:
                names = [name for name, _ in await _models(http, server, self._patience)]
            except Failure as failure:
                silent.append(f"{server.name}: {failure}")
                continue
            except (Refused, NoSuchModel) as error:
                raise EngineError(f"{server.name}: {error}; start it, or name a model with --model") from None
            if len(names) != 1:
                raise EngineError(f"{server.name} has {_listed(names)}; name one with --model")
            return names[0]
        raise EngineError(f"{'; '.join(silent)}; start it, or name a model with --model")

    async def _meet(self, http: httpx2.AsyncClient, server: Server, silent: dict[str, str]) -> bool:
        """Find the strictest form of answers that a server has, and see that it sees; False if it is silent."""
        try:
            await self._find_form(http, server)
            if self._sees:
                await self._try(http, server, [chat.grey_picture()])
        except Failure as failure:
            silent[server.name] = str(failure)
            return False
        except Refused as refused:  # in its form it has answered before: it is the picture
            fault = f"{server.name}: {self._model} cannot see pictures ({refused})"
            raise EngineError(f"{fault}; name a vision-language model") from None
        except NoSuchModel as error:
            try:
                there = _listed([name for name, _ in await _models(http, server, self._patience)])
            except (Failure, Refused, EngineError):
                raise error from None
            raise EngineError(f"{error}; it has {there}") from None
        return True

    async def _find_form(self, http: httpx2.AsyncClient, server: Server) -> None:
        fault: Exception | None = None
        for server.form in chat.WAYS:
            heeded = True
            while heeded:
                try:
                    return await self._try(http, server, [])
                except Refused as refused:
                    fault = refused
                    heeded = server.heed(str(refused))
        raise EngineError(f"{server.name} refuses the simplest question to {self._model}: {fault}")

    async def _try(self, http: httpx2.AsyncClient, server: Server, pictures: list[str]) -> None:
        """Ask something tiny, with patience. A server's error that stays is how some refuse what they lack."""
        pause, waited = self._patience.first_pause, 0.0
        while True:
            try:
                await self._ask(http, self._patience.answer, chat.tiny(pictures), self._tiny, server)
                return
            except Failure as failure:
                if not waited and failure.busy and failure.status:
                    log.warning("%s: %s; waiting for it", server.name, failure)
                waited += failure.weight
                if not failure.status or waited >= self._patience.trouble:
                    raise
                if not failure.busy and waited >= 2:
                    raise Refused(str(failure)) from None
                await asyncio.sleep(max(pause, min(failure.wait, self._patience.longest_pause)))
                pause = min(2 * pause, self._patience.longest_pause)

    async def _works(self, http: httpx2.AsyncClient, server: Server) -> bool:
        try:
            await self._ask(http, self._patience.check, chat.tiny([]), self._tiny, server)
        except (Failure, Refused) as error:
            return isinstance(error, Refused)
        return True


def _servers_of(who: str, options: ServerOptions) -> list[Server]:
    urls = dict.fromkeys(url.strip().rstrip("/") for url in options.base_url.split(",") if url.strip())
    if not urls:
        raise EngineError(f"{who} needs --base-url, such as http://127.0.0.1:8000/v1")
    if options.concurrency < 1:
        raise EngineError(f"--concurrency {options.concurrency}: at least 1 request is needed")
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):  # an HTTP library would show it in its error
        raise EngineError("OPENAI_API_KEY: holds characters that no key has")
    return [Server(url, options.concurrency, key) for url in urls]


def _client(patience: Patience) -> httpx2.AsyncClient:
    import httpx2

    # Redirects are not followed: the key goes where it was sent. vLLM closes idle connections after 5 s.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=2)
    timeout = httpx2.Timeout(None, connect=patience.connect)
    return httpx2.AsyncClient(verify=_trusted(), timeout=timeout, limits=limits)


@cache  # takes 0.1 s to make
def _trusted() -> ssl.SSLContext:
    import httpx2

    return httpx2.create_ssl_context()


async def _context(http: httpx2.AsyncClient, server: Server, model: str, patience: Patience) -> int:
    try:
        listed = await _models(http, server, patience)
    except (Failure, Refused, EngineError):
        return CONTEXT
    told = next((told for name, told in listed if name == model), {}).get("max_model_len")  # vLLM's
    return told if type(told) is int and told > 0 else CONTEXT


async def _models(http: httpx2.AsyncClient, server: Server, patience: Patience) -> list[tuple[str, dict[str, Any]]]:
    """A server's models: the name of each, and what it tells of it."""
    found = (await server.ask(http, patience.check, "models")).get("data")
    return [(str(model["id"]), model) for model in found or [] if isinstance(model, dict) and "id" in model]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"the models {', '.join(names[:20])}{more}" if names else "no model"


@contextmanager
def _background(http: httpx2.AsyncClient) -> Iterator[Callable[[Coroutine[Any, Any, R]], Future[R]]]:
    """An event loop in a thread, and the way to give it work. What is unfinished at the end is dropped."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="requests", daemon=True)
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop)
    finally:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(_drop_all(http), loop).result(STOP_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_SECONDS)
        if not thread.is_alive():
            loop.close()


async def _drop_all(http: httpx2.AsyncClient) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await http.aclose()


def _next(answered: queue.SimpleQueue[R]) -> R:
    while True:
        with suppress(queue.Empty):
            return answered.get(timeout=0.5)  # without a limit Ctrl-C would wait, too, on Windows
