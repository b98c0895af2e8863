"""What every request must satisfy before it reaches a page, and what every answer carries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES = 65_536
FIELD_CHARACTERS = 2_000
FIELDS = 40
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class RefusedError(Exception):
    """A request that is not answered, with the status and the words that are."""

    def __init__(self, status: int, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.status, self.what, self.todo = status, what, todo


@dataclass(frozen=True, slots=True)
class Guard:
    """Wraps the whole application: known hosts only, and no POST from another site."""

    app: ASGIApp
    origins: frozenset[str]  # "http://127.0.0.1:8000": where the page is, as a browser says it

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        problem = self._problem(scope["method"], Headers(scope=scope))
        app = PlainTextResponse(problem, 403) if problem else self.app
        await app(scope, receive, with_headers)

    def _problem(self, method: str, headers: Headers) -> str:
        """Why a request is refused, whatever it asks for; or nothing."""
        if headers.get("host", "") not in {origin.partition("://")[2] for origin in self.origins}:
            return "This page is not served under that name."
        if method in ("GET", "HEAD"):
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site not in (None, "same-origin") or (origin is not None and origin not in self.origins):
            return "Refused: the request comes from another page."
        if site is None and origin is None:
            return "Refused: the request does not say which page it comes from."
        return ""


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; raises RefusedError for one that no page of ours sends."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded":
        raise RefusedError(415, "That is not a form.")
    body = b""
    async for part in _parts(request):
        body += part
        if len(body) > BODY_BYTES:
            raise RefusedError(413, "That is too much text.", "Nothing was changed. Send less.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=bool(body),
            max_num_fields=FIELDS, errors="strict",
        )  # fmt: skip
    except ValueError as error:
        raise RefusedError(400, "That form can't be read.") from error
    return checked(pairs)


def checked(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Fields given once each, short, of text that can be shown; raises RefusedError."""
    fields = dict(pairs)
    if len(fields) != len(pairs) or len(pairs) > FIELDS:
        raise RefusedError(400, "A field was given twice.")
    for value in fields.values():
        if len(value) > FIELD_CHARACTERS:
            raise RefusedError(413, "A field is too long.", "Nothing was changed. Send less.")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise RefusedError(400, "A field holds characters that can't be shown.")
    return {name: value.strip() for name, value in fields.items()}


async def _parts(request: Request) -> AsyncIterator[bytes]:
    """The body, as it comes; raises RefusedError where it breaks off."""
    try:
        async for part in request.stream():
            yield part
    except ClientDisconnect as error:
        raise RefusedError(400, "The form broke off.", "Nothing was changed.") from error
