"""Makes the files that a run must hold, each with a text inside that nothing may repeat."""

import struct
from collections.abc import Callable
from pathlib import Path

from tests.media_maker import Picture, Voice, make_clip, tone

SECRET = "Quillathorpe"
"""Planted in every bad file: in its tags, its text, or what it points at."""

_PARENTS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"dinf"})


def whole(path: Path, *, seconds: float = 0.8, shift: float = 0.0) -> Path:
    """A sound clip with a pattern for a picture and nothing to find; `shift` makes it another."""
    rising = tone(48_000, seconds + shift, 2)[:, int(shift * 48_000) :]
    picture = Picture(frames=round(25 * seconds))
    return make_clip(path, picture, [Voice(samples=rising)], tags={"title": SECRET})


def _whole_bytes(path: Path) -> bytes:
    return whole(path).read_bytes()


def _cut(path: Path) -> None:
    data = _whole_bytes(path)
    path.write_bytes(data[: len(data) // 2])


def _corrupt_packet(path: Path) -> None:
    """Noise over the middle of the coded picture; the container stays as it is."""
    make_clip(path, Picture(frames=20), tags={"title": SECRET})
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (data.index(b"moov") - data.index(b"mdat")) // 2
    data[middle : middle + 200] = bytes(range(7, 207))
    path.write_bytes(data)


def _no_packets(path: Path) -> None:
    """A WAV whose header is whole, with no sample after it."""
    make_clip(path, None, [Voice(codec="pcm_s16le", seconds=0.1)], tags={"title": SECRET})
    data = bytearray(path.read_bytes())
    start = data.index(b"data")
    struct.pack_into("<I", data, start + 4, 0)
    struct.pack_into("<I", data, 4, start)
    path.write_bytes(data[: start + 8])


def _no_frames(path: Path) -> None:
    """A movie whose one track has a header and no sample."""
    data = _whole_bytes(path)
    path.write_bytes(rewritten(data, b"trak", lambda _: b"", _PARENTS))


def _huge(path: Path) -> None:
    data = bytearray(_whole_bytes(path))
    size = struct.pack(">HH", 96, 64)
    data = data.replace(size, struct.pack(">HH", 60_000, 60_000))  # in the sample description
    fixed = struct.pack(">II", 96 << 16, 64 << 16)
    path.write_bytes(data.replace(fixed, struct.pack(">II", 60_000 << 16, 60_000 << 16)))


def _elsewhere(address: str) -> Callable[[Path], None]:
    """A movie whose samples lie, as it says, in another file or at an address."""
    location = address.encode() + b"\0"
    entry = struct.pack(">I4sI", 12 + len(location), b"url ", 0) + location
    table = struct.pack(">II", 0, 1) + entry

    def make(path: Path) -> None:
        path.write_bytes(rewritten(_whole_bytes(path), b"dref", lambda _: table, _PARENTS))

    return make


def _text(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(text) and None


def rewritten(
    data: bytes, kind: bytes, change: Callable[[bytes], bytes], parents: frozenset[bytes]
) -> bytes:
    """The boxes of a movie, the content of every box of one kind changed."""
    result, at = b"", 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + size]
        if name == kind:
            content = change(content)
        elif name in parents:
            content = rewritten(content, kind, change, parents)
        result += struct.pack(">I4s", 8 + len(content), name) + content
        at += size
    return result


LOCAL = f"file:///etc/hostname?{SECRET}"
REMOTE = f"http://192.0.2.1/{SECRET}.mp4"  # an address of the documentation range

BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.mp4": (lambda path: path.touch(), "empty"),
    "text.mp4": (_text(f"{SECRET} was here"), "unsupported"),
    "cut.mp4": (_cut, "corrupt"),
    "cut.mkv": (_cut, "corrupt"),
    "corrupt packet.mp4": (_corrupt_packet, "corrupt"),
    "no samples.wav": (_no_packets, "empty"),
    "no frames.mp4": (_no_frames, "empty"),
    "huge.mp4": (_huge, "limits"),
    "playlist.m3u8": (_text(f"#EXTM3U\n#EXTINF:10,\n{REMOTE}\n"), "remote"),
    "playlist.mp4": (_text(f"#EXTM3U\n#EXTINF:10,\n{LOCAL}\n"), "remote"),
    "concat.ts": (_text(f"ffconcat version 1.0\nfile '{LOCAL}'\n"), "remote"),
    "concat": (_text(f"file '{REMOTE}'\n"), "remote"),
    "elsewhere.mov": (_elsewhere(LOCAL), "remote"),
    "elsewhere.mp4": (_elsewhere(REMOTE), "remote"),
    "gone.mp4": (lambda path: path.symlink_to(SECRET), "corrupt"),
    "circle.mp4": (lambda path: path.symlink_to(path.name), "corrupt"),
}
"""How each is made, and why it is held. All of them are media that can't be read: exit code 3."""
