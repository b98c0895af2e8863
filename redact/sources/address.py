"""Addresses: the one form under which a source is looked up, and the domain that may be public."""

from __future__ import annotations

import ipaddress
import re
from functools import cache
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from publicsuffixlist import PublicSuffixList

LONGEST = 2048  # characters of an address
_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|igshid")
_YOUTUBE = re.compile(
    r"(?:(?:www\.|m\.|music\.)?youtube(?:-nocookie)?\.com"
    r"/(?:watch\?(?:.*&)?v=|shorts/|embed/|live/|v/)|youtu\.be/)([A-Za-z0-9_-]{11})(?:[/?&#].*)?"
)
_VIMEO = re.compile(r"(?:www\.|player\.)?vimeo\.com/(?:video/)?([0-9]+)(?:[/?#].*)?")


def normal(url: str) -> str:
    """
    The one form of an address: what is asked for later must be what was recorded.

    Scheme and `www.` make no difference, nor do default ports, fragments, tracking parameters, the
    order of parameters or the way in which letters are escaped; the several addresses of a clip on
    YouTube and Vimeo are one. Raises ValueError for anything that is no plain web address.
    """
    if len(url) > LONGEST or not url.isprintable() or any(c.isspace() for c in url):
        raise ValueError("it is too long, or holds spaces or control characters")
    parts = urlsplit(url)
    if parts.scheme.lower() not in _PORTS:
        raise ValueError("it does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("it holds a user name or a password")
    host, port = _host(parts.hostname), parts.port
    rest = re.sub(r"^https?://", "", url, flags=re.IGNORECASE).partition("/")[2]
    if found := _YOUTUBE.fullmatch(f"{host}/{rest}"):
        return f"https://youtube.com/watch?v={found[1]}"
    if found := _VIMEO.fullmatch(f"{host}/{rest}"):
        return f"https://vimeo.com/{found[1]}"
    place = host.removeprefix("www.") + ("" if port in (None, *_PORTS.values()) else f":{port}")
    query = urlencode(
        sorted(pair for pair in parse_qsl(parts.query, True) if not _TRACKING.fullmatch(pair[0]))
    )
    return f"https://{place}{_path(parts.path)}{'?' + query if query else ''}"


def domain(url: str) -> str | None:
    """
    The registrable domain of an address in its one form, as ASCII; None where it has none.

    By the public suffix list's part for registries: of a page at a provider of pages, only the
    provider is given, for the name before it is often a person's.
    """
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found: str | None = _suffixes().privatesuffix(host)
        return found
    return None


@cache
def _suffixes() -> PublicSuffixList:
    """From the snapshot that its package brings; nothing is fetched."""
    return PublicSuffixList(only_icann=True)


def _host(name: str | None) -> str:
    if not name:
        raise ValueError("it names no host")
    try:
        ipaddress.ip_address(name)
    except ValueError:
        ascii_name = name.rstrip(".").encode("idna").decode("ascii").lower()
        if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?", ascii_name):
            raise ValueError("its host is no host name") from None
        return ascii_name
    return f"[{name}]" if ":" in name else name


def _path(path: str) -> str:
    """Without dot segments, every letter escaped or not in one way."""
    kept: list[str] = []
    for part in path.split("/")[1:]:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(quote(unquote(part, errors="strict"), safe="!$&'()*+,;=:@~"))
    return "/" + "/".join(kept)
