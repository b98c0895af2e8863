"""The way in and out."""

from __future__ import annotations

from redact.review.access import TooManyTriesError
from redact.review.asking import Ask, Moved, Site
from redact.review.guard import RefusedError


def redeem(site: Site, form: dict[str, str]) -> str:
    """The cookie for a one-time link."""
    cookie = site.sessions.redeem(form.get("link", ""))
    if cookie is None:
        raise RefusedError(401, "That link was used already, or is older than 15 minutes.")
    return cookie


def login(site: Site, form: dict[str, str]) -> str:
    """The cookie for an account's name and access key."""
    try:
        cookie = site.sessions.login(form.get("name", ""), form.get("key", ""))
    except TooManyTriesError as error:
        raise RefusedError(429, "Too many wrong keys. Wait ten minutes.") from error
    if cookie is None:
        raise RefusedError(401, "That name and key do not belong together.")
    return cookie


def leave(ask: Ask) -> Moved:
    ask.site.sessions.end(ask.session)
    return Moved("/")
