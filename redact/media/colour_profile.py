"""ICC colour profiles: the numbers that make the colours stay, the words that have to go."""

from __future__ import annotations

from redact.media.reading import Reader, corrupt

HEADER = 128
# Fields of the header that are no colour: the software, the time, the device, its maker, a digest.
PERSONAL = (slice(4, 8), slice(24, 36), slice(48, 56), slice(80, 100))
TAGS = frozenset(
    {b"wtpt", b"bkpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"chad"}
    | {b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"D2B0", b"D2B1", b"D2B2", b"D2B3"}
    | {b"B2D0", b"B2D1", b"B2D2", b"B2D3", b"gamt", b"lumi", b"chrm", b"cicp"}
)
TYPES = frozenset(
    {b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"mpet", b"sf32", b"chrm"}
    | {b"cicp"}
)
"""Types of numbers: text under a tag for numbers is dropped."""
MOST_TAGS = 100
NAME = b"profile"


def neutral(profile: bytes) -> bytes:
    """
    The profile with its colours alone; equal to `profile` if it already is.

    The description and the copyright, which the standard wants, say nothing. Raises InputError
    for one that breaks its format.
    """
    reader = Reader(profile, "a colour profile", HEADER)
    if profile[36:40] != b"acsp" or (count := reader.number(4)) > MOST_TAGS:
        raise corrupt("a colour profile is none.")
    tags = dict(_words(modern=profile[8] >= 4))
    for _ in range(count):
        tag, start, size = reader.take(4), reader.number(4), reader.number(4)
        body = Reader(profile, "a colour profile", min(start, len(profile))).take(size)
        if tag in TAGS and body[:4] in TYPES:
            tags[tag] = body
    return _written(profile[:HEADER], tags)


def _words(*, modern: bool) -> list[tuple[bytes, bytes]]:
    """Description and copyright, in the form of the profile's version."""
    if modern:
        letters = NAME.decode().encode("utf-16-be")
        sizes = len(letters).to_bytes(4, "big") + (28).to_bytes(4, "big")
        text = b"mluc" + bytes(4) + b"\0\0\0\1\0\0\0\x0cenUS" + sizes + letters
        return [(b"desc", text), (b"cprt", text)]
    described = b"desc" + bytes(4) + (len(NAME) + 1).to_bytes(4, "big") + NAME + bytes(79)
    return [(b"desc", described), (b"cprt", b"text" + bytes(4) + NAME + b"\0")]


def _written(head: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Header, table, and every body once, each at a multiple of four."""
    table, bodies = b"", b""
    start, places = HEADER + 4 + 12 * len(tags), dict[bytes, int]()
    for tag, body in tags.items():
        if body not in places:
            places[body] = start + len(bodies)
            bodies += body + bytes(-len(body) % 4)
        table += tag + places[body].to_bytes(4, "big") + len(body).to_bytes(4, "big")
    fields = bytearray(head)
    for field in PERSONAL:
        fields[field] = bytes(field.stop - field.start)
    fields[:4] = (start + len(bodies)).to_bytes(4, "big")
    return bytes(fields) + len(tags).to_bytes(4, "big") + table + bodies
