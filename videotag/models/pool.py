"""Several servers that share the work by load. Everything here runs in one event loop."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from videotag.errors import EngineError
from videotag.models.servers import Failure, Patience, Refused, Server

log = logging.getLogger("videotag")
T = TypeVar("T")


class Pool:
    """Servers that share the work.

    Args:
        alive: asks a server something tiny: whether it works.
    """

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
