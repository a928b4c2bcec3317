"""Who may ask what: names of this machine only, a token where others could ask, nothing from other sites."""

import base64
import binascii
import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

Refusal = Callable[[Request, int], Response]


@dataclass(frozen=True)
class Safety:
    """What a server lets through.

    Attributes:
        host: at which it listens.
        token: what everybody has to show; None is nothing, which is for this machine alone.
    """

    host: str = "127.0.0.1"
    token: str | None = None

    def names(self) -> set[str]:
        """The names by which this machine is asked, besides the addresses at which it has answered."""
        own = socket.gethostname().lower()
        return {"localhost", "127.0.0.1", "::1", self.host.lower(), own, f"{own}.local"}

    def refusal(self, request: Request) -> int | None:
        """The status with which a request is refused; None if it may pass."""
        if not self._is_ours(request):
            return 421
        if self.token is not None and not _shows(request.headers.get("authorization", ""), self.token):
            return 401
        if request.method not in SAFE_METHODS and not _is_from_here(request):
            return 403
        return None

    def _is_ours(self, request: Request) -> bool:
        """A page of another site can make its own name mean this machine; then the browser still says that name."""
        name = _name(request.headers.get("host", ""))
        here = (request.scope.get("server") or ("",))[0]  # where this very connection arrived
        return name is not None and (name in self.names() or (name == here and _is_address(name)))


class Guard:
    """Asks Safety before anything else, and adds the headers to all answers."""

    def __init__(self, app: ASGIApp, safety: Safety, refuse: Refusal) -> None:
        self.app, self.safety, self.refuse = app, safety, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # there are no sockets here
            return await self.app(scope, receive, send) if scope["type"] == "lifespan" else None

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "private, no-cache")
            await send(message)

        request = Request(scope)
        status = self.safety.refusal(request)
        if status is None:
            return await self.app(scope, receive, with_headers)
        response = self.refuse(request, status)
        if status == 401:  # browsers keep it for this address and send it with pictures and videos too
            response.headers["www-authenticate"] = 'Basic realm="videotag", charset="UTF-8"'
        await response(scope, receive, with_headers)


def _shows(authorization: str, token: str) -> bool:
    """Whether the token is shown: `Bearer TOKEN`, or as the password of `Basic`, whoever the user."""
    kind, _, value = authorization.partition(" ")
    if kind.lower() == "basic":
        try:
            value = base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif kind.lower() != "bearer":
        return False
    return secrets.compare_digest(value.strip().encode(), token.encode())


def _is_from_here(request: Request) -> bool:
    """Browsers say where a form or a script comes from; what says nothing of it is no browser."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _name(host: str) -> str | None:
    """The name in a Host line, without port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
