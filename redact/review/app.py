"""
The page as a web application: one table of routes with who may use each; all else is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import jinja2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from redact.errors import RedactError, printable
from redact.review import (
    clips,
    entrance,
    exports,
    ledger,
    overview,
    quality,
    rights,
    settings,
    words,
)
from redact.review.access import Session
from redact.review.asking import Ask, Download, Media, Moved, Page, Reply, Site
from redact.review.guard import Guard, RefusedError, checked, form_of
from redact.version import __version__

ALL = ("viewer", "reviewer", "officer", "auditor")
FOOTAGE = ("reviewer", "officer", "auditor")
OFFICE = ("officer", "auditor")


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do what: without a matching rule, nobody may do anything."""

    method: str
    path: str
    roles: tuple[str, ...]
    page: Callable[[Ask], Reply]
    query: tuple[str, ...] = ()  # the only query fields that it takes


RULES = (
    Rule("GET", "/overview", ALL, overview.show),
    Rule("GET", "/clips", ALL, clips.listed, clips.QUERY),
    Rule("GET", "/clips/{rec}", ALL, clips.one),
    Rule("GET", "/clips/{rec}/media", FOOTAGE, clips.media),
    Rule("GET", "/clips/{rec}/proof", ALL, clips.proof),
    Rule("POST", "/clips/{rec}/where", OFFICE, clips.where),
    Rule("POST", "/clips/{rec}/verdict", ("reviewer", "officer"), clips.verdict),
    Rule("POST", "/clips/{rec}/withdraw", ("officer",), clips.withdraw),
    Rule("GET", "/held", ALL, clips.held, ("before",)),
    Rule("GET", "/quality", ALL, quality.lots),
    Rule("POST", "/quality", ("reviewer", "officer"), quality.commit),
    Rule("GET", "/quality/{lot}", ALL, quality.lot),
    Rule("POST", "/quality/{lot}/draw", ("officer",), quality.draw),
    Rule("GET", "/quality/{lot}/next", ("reviewer", "officer"), quality.item),
    Rule("GET", "/quality/{lot}/media/{number}", ("reviewer", "officer"), quality.media),
    Rule("POST", "/quality/{lot}/answer", ("reviewer", "officer"), quality.answer),
    Rule("POST", "/quality/{lot}/sign", ("reviewer", "officer"), quality.sign),
    Rule("GET", "/requests", OFFICE, rights.show),
    Rule("POST", "/requests/find", ("officer",), rights.find),
    Rule("POST", "/requests/withdraw", ("officer",), rights.withdraw),
    Rule("POST", "/requests/close", ("officer",), rights.close),
    Rule("GET", "/ledger", ALL, ledger.health),
    Rule("GET", "/ledger/checkpoint", ALL, ledger.checkpoint),
    Rule("POST", "/ledger/verify", OFFICE, ledger.verify),
    Rule("GET", "/exports", OFFICE, exports.listed),
    Rule("POST", "/exports/{report}", OFFICE, exports.make),
    Rule("GET", "/settings", ALL, settings.show),
    Rule("POST", "/leave", ALL, entrance.leave),
)
"""Every route that needs a session. The others are in `_open_routes`: entrance and static files."""


def make_app(site: Site) -> ASGIApp:
    """The application; `site.opened` stays the caller's to close."""
    pages = _Pages(site)
    routes = []
    for rule in RULES:
        if rule.method == "GET" and rule.page not in (clips.media, clips.proof, quality.media):
            routes.append(pages.route(rule, f"{rule.path}.json"))
        routes.append(pages.route(rule, rule.path))
    app = Starlette(
        routes=[*pages.open_routes(), *routes],
        exception_handlers={HTTPException: pages.refused, Exception: pages.failed},
    )
    return Guard(app, site.origins)


class _Pages:
    """Turns rules into routes, and answers into responses."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("redact.review"), autoescape=True,
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters |= words.FILTERS | {"plain": printable}
        self._templates.globals |= {
            "words": words, "version": __version__, "in_words": settings.in_words,
        }  # fmt: skip

    def route(self, rule: Rule, path: str) -> Route:
        as_json = path.endswith(".json")

        async def endpoint(request: Request) -> Response:
            session = self._session(request)
            try:
                ask = await self._ask(rule, request, session)
                await run_in_threadpool(self._site.opened.refresh)
                return self._response(await run_in_threadpool(rule.page, ask), ask, as_json)
            except RefusedError as error:
                return self._problem(error, session, as_json)
            except RedactError as error:
                words_of = RefusedError(503, error.what, f"{error.means} {error.todo}")
                return self._problem(words_of, session, as_json)

        return Route(path, endpoint, methods=[rule.method])

    def _session(self, request: Request) -> Session | None:
        return self._site.sessions.find(request.cookies.get(self._site.cookie, ""))

    async def _ask(self, rule: Rule, request: Request, session: Session | None) -> Ask:
        """The request as its page is asked it, once all that it must satisfy is checked."""
        if session is None:
            raise RefusedError(401, "You are not signed in, or your session has ended.")
        if session.role not in rule.roles:
            raise RefusedError(403, f"The role {session.role} may not do that.")
        form = {}
        if rule.method == "POST":
            form = await form_of(request)
            if not hmac.compare_digest(form.pop("token", "").encode(), session.token.encode()):
                raise RefusedError(403, "The form was not one of this session.", "Load it again.")
        query = checked(request.query_params.multi_items())
        if unknown := sorted(query.keys() - set(rule.query)):
            raise RefusedError(400, f"This page knows no {printable(unknown[0])[:40]!r}.")
        return Ask(self._site, session, dict(request.path_params), query, form)

    def _response(self, reply: Reply, ask: Ask, as_json: bool) -> Response:
        match reply:
            case Page(template, data, status):
                if as_json:
                    return JSONResponse(data, status)
                return self._html(template, data, status, ask.session)
            case Moved(to):
                return RedirectResponse(to, 303)
            case Media(path, media):
                return FileResponse(path, media_type=media)
            case Download(data, name, media):
                disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
                return Response(data, media_type=media, headers=disposition)

    def _html(
        self, template: str, data: dict[str, Any], status: int, session: Session | None
    ) -> HTMLResponse:
        text = self._templates.get_template(template).render(
            **data,
            session=session,
            trouble=self._site.opened.trouble,
            behind=self._site.opened.behind,
            has_accounts=self._site.sessions.has_accounts,
            page=template.removesuffix(".html"),
        )
        return HTMLResponse(text, status)

    def _problem(
        self, error: RefusedError, session: Session | None, as_json: bool = False
    ) -> Response:
        if as_json:
            return JSONResponse({"error": error.what, "todo": error.todo}, error.status)
        if session is None and error.status == 401:
            return self._html("entrance.html", {"problem": error.what}, 401, None)
        data = {"status": error.status, "what": error.what, "todo": error.todo}
        return self._html("refused.html", data, error.status, session)

    async def refused(self, request: Request, error: Exception) -> Response:
        """No such page or method: the same words for those who may know and those who may not."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        session = self._session(request)
        if session is None:
            return self._problem(RefusedError(401, "You are not signed in."), None)
        what = "This page does not do that." if status == 405 else "There is no such page."
        return self._problem(RefusedError(status, what), session)

    async def failed(self, request: Request, _: Exception) -> Response:
        """A fault of ours: said without any of its details, which go to the log alone."""
        what = "The page failed. What was recorded before stands; nothing is half done."
        todo = "Load it again; if it fails again, tell whoever runs it (its log has the fault)."
        return self._problem(RefusedError(500, what, todo), self._session(request))

    def open_routes(self) -> list[Route]:
        """What can be reached without a session: the way in, and files without any data."""
        return [
            Route("/", self._start, methods=["GET"]),
            Route("/enter/{token}", self._offer, methods=["GET"]),
            Route("/enter", self._enter, methods=["POST"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/static/{name}", _static, methods=["GET"]),
        ]

    async def _start(self, _: Request) -> Response:
        return RedirectResponse("/overview", 303)

    async def _offer(self, request: Request) -> Response:
        """A button rather than a redirect: what only looks at links must not use one up."""
        return self._html("offer.html", {"link": request.path_params["token"][:100]}, 200, None)

    async def _enter(self, request: Request) -> Response:
        return await self._let_in(request, entrance.redeem)

    async def _login(self, request: Request) -> Response:
        return await self._let_in(request, entrance.login)

    async def _let_in(
        self, request: Request, by: Callable[[Site, dict[str, str]], str]
    ) -> Response:
        try:
            cookie = by(self._site, await form_of(request))
        except RefusedError as error:
            return self._html("entrance.html", {"problem": error.what}, error.status, None)
        response = RedirectResponse("/overview", 303)
        response.set_cookie(
            self._site.cookie, cookie, httponly=True, samesite="strict", secure=self._site.secure
        )
        return response


STATIC = {"style.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404)
    data = files("redact.review").joinpath("static", name).read_bytes()
    return Response(data, media_type=STATIC[name], headers={"Cache-Control": "max-age=300"})
