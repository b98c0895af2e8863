"""Which containers and codecs are read, told apart by content; everything else is refused."""

from __future__ import annotations

import stat
from pathlib import Path

from redact.errors import InputError, Reason

DEMUXERS = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "mkv": "matroska",
    "webm": "matroska",
    "avi": "avi",
    "ts": "mpegts",
    "wav": "wav",
    "mp3": "mp3",
    "flac": "flac",
    "ogg": "ogg",
    "aac": "aac",
    "jpeg": "jpeg_pipe",
    "png": "png_pipe",
    "webp": "webp_pipe",
}
"""The demuxer for each container. It is named when a file is opened, never guessed by FFmpeg."""

MUXERS = {
    **DEMUXERS,
    "mp4": "mp4",
    "m4a": "ipod",
    "webm": "webm",
    "aac": "adts",
}

STILLS = frozenset({"jpeg", "png", "webp"})

PICTURE_CODECS = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "mpeg2video", "mpeg1video"}
    | {"png", "webp"}
)

SOUND_CODECS = frozenset(
    {"aac", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3"}
    | {"pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s8", "pcm_f32le", "pcm_f32be", "pcm_f64le"}
    | {f"pcm_s{bits}{order}" for bits in (16, 24, 32) for order in ("le", "be")}
)

_HEAD = 64 * 1024
_PLAYLISTS = (
    b"#EXTM3U",
    b"ffconcat",
    b"[playlist]",
    b"v=0",
    b"<MPD",
    b"<smil",
    b"<SmoothStreamingMedia",
    b"[Reference]",
    b"<asx",
    b"<ASX",
)
_MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})


def container_of(path: Path, name: str) -> str:
    """
    The container's name, by the first bytes of the file.

    Raises InputError: EMPTY, NO_PERMISSION, REMOTE for a playlist, UNSUPPORTED for the rest.
    """
    head = _first_bytes(path, name)
    if not head:
        raise InputError(f"{name}: the file is empty.", reason=Reason.EMPTY)
    found = _sniff(head, path)
    if found is not None:
        return found
    if any(mark in head[:4096] for mark in _PLAYLISTS) or _points_elsewhere(head):
        raise InputError(
            f"{name}: the file is a list of other files or addresses, not footage.",
            todo="Give the files themselves.",
            reason=Reason.REMOTE,
        )
    raise InputError(
        f"{name}: not a format that redact reads.",
        todo=f"It reads {', '.join(DEMUXERS)}.",
        reason=Reason.UNSUPPORTED,
    )


def _first_bytes(path: Path, name: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(
                f"{name}: not a file but a folder, a pipe or a device.",
                todo="Leave it out.",
                reason=Reason.UNSUPPORTED,
            )
        with path.open("rb") as file:
            return file.read(_HEAD)
    except PermissionError as error:
        raise InputError(
            f"{name}: no permission to read the file.",
            todo="Let the user that runs redact read it, or leave it out.",
            reason=Reason.NO_PERMISSION,
        ) from error
    except OSError as error:
        raise InputError(f"{name}: the file can't be read.", reason=Reason.CORRUPT) from error


def _sniff(head: bytes, path: Path) -> str | None:
    if head[4:8] in _MOV_BOXES:
        return _mov_kind(head, path)
    if head[:4] == b"\x1aE\xdf\xa3":
        return "webm" if b"webm" in head[:64] else "mkv"
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"AVI ": "avi", b"WAVE": "wav", b"WEBP": "webp"}.get(head[8:12])
    for magic, found in (
        (b"\xff\xd8\xff", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"fLaC", "flac"),
        (b"OggS", "ogg"),
    ):
        if head.startswith(magic):
            return found
    if _is_transport_stream(head):
        return "ts"
    return _mpeg_sound(path, head)


def _mov_kind(head: bytes, path: Path) -> str:
    brand = head[8:12] if head[4:8] == b"ftyp" else b"qt  "
    if brand == b"qt  ":
        return "mov"
    sound_only = brand in (b"M4A ", b"M4B ") or path.suffix.lower() == ".m4a"
    return "m4a" if sound_only else "mp4"


def _is_transport_stream(head: bytes) -> bool:
    """Sync bytes 188 bytes apart (192 with the time codes that cameras put before them)."""
    return any(
        len(head) >= 3 * size and all(head[first + size * i] == 0x47 for i in range(3))
        for size, first in ((188, 0), (192, 4))
    )


def _mpeg_sound(path: Path, head: bytes) -> str | None:
    """MP3 or ADTS, behind an ID3 tag if there is one: two frame headers, or none at all."""
    if head[:3] == b"ID3" and len(head) > 10:
        with path.open("rb") as file:
            file.seek(10 + tag_size(head))
            head = file.read(_HEAD).lstrip(b"\0")
    if len(head) < 8 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer = head[1] >> 1 & 3
    if layer == 0 and head[1] & 0xF0 == 0xF0:
        return "aac"
    valid = head[1] & 0x18 != 0x08 and head[2] & 0xF0 != 0xF0 and head[2] & 0x0C != 0x0C
    return "mp3" if layer == 1 and valid else None


def tag_size(head: bytes) -> int:
    """The size of an ID3 tag after its first 10 bytes, which are given."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(head[6:10])))


def _points_elsewhere(head: bytes) -> bool:
    """A short text of addresses or `file` lines: a playlist without a header."""
    lines = [line.strip() for line in head[:4096].splitlines() if line.strip()]
    return bool(lines) and all(
        line.startswith((b"#", b"file ", b"http:", b"https:", b"rtsp:", b"rtmp:", b"file:"))
        for line in lines[:8]
    )
