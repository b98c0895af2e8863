"""The file that is written: rebuilt from an allow-list, synced, or not there at all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Disposition

from redact.errors import InputError, Reason, StoreError
from redact.media.formats import MUXERS
from redact.media.probe import Clip

_OPTIONS = {
    "mp4": {"use_editlist": "1"},
    "mov": {"use_editlist": "1"},
    "m4a": {"use_editlist": "1"},
    "mkv": {"default_mode": "passthrough"},
    "webm": {"default_mode": "passthrough"},
    "ts": {"mpegts_copyts": "1", "muxdelay": "0"},
    "mp3": {"id3v2_version": "0", "write_id3v1": "0"},
}
_MOVIES = frozenset({"mp4", "mov", "m4a"})
_KEPT_TAGS = frozenset({"hvc1", "hev1", "avc1", "avc3"})


@contextmanager
def written(clip: Clip, target: Path) -> Iterator[Any]:
    """
    A PyAV output container for the clip's format.

    On the way out the file is complete and synced to disk; after any exception it is gone.
    Raises StoreError when the disk does not take it, InputError (UNSUPPORTED) when the container
    does not take a stream.
    """
    _check_clock(clip)
    try:
        with target.open("wb") as file:
            with _muxer(clip, file) as output:
                yield output
            file.flush()
            os.fsync(file.fileno())
    except BaseException as error:
        target.unlink(missing_ok=True)
        translated = _translated(clip, error)
        if translated is error:
            raise
        raise translated from error


def _check_clock(clip: Clip) -> None:
    """FFmpeg writes Matroska in milliseconds: a finer clock would be rounded."""
    finer = clip.picture and (clip.picture.time_base * 1000).denominator > 1
    if clip.container in ("mkv", "webm") and finer:
        raise InputError(
            f"{clip.name}: its clock is finer than the millisecond that can be written.",
            todo="Convert the clip to MP4 first.",
            reason=Reason.UNSUPPORTED,
        )


def _translated(clip: Clip, error: BaseException) -> BaseException:
    if isinstance(error, FFmpegError) and isinstance(error.__context__, OSError):
        error = error.__context__  # closing after a write that failed says less than that write
    if isinstance(error, OSError) and error.errno is not None and error.errno < 200:
        what = os.strerror(error.errno)
        return StoreError(f"{clip.name}: its redacted copy can't be written ({what}).")
    if isinstance(error, FFmpegError | ValueError):
        return InputError(
            f"{clip.name}: its tracks can't be written as {clip.container} again.",
            reason=Reason.UNSUPPORTED,
        )
    return error


def _muxer(clip: Clip, file: Any) -> Any:
    options = {"fflags": "+bitexact", **_OPTIONS.get(clip.container, {})}
    if clip.container in _MOVIES:
        options["movie_timescale"] = str(_movie_timescale(clip))
    return av.open(
        file, "w", format=MUXERS[clip.container], container_options=options, buffer_size=1 << 20
    )


def _movie_timescale(clip: Clip) -> int:
    """A clock in which the start of every stream is a whole number."""
    bases = [Fraction(1, sound.rate) for sound in clip.sound]
    if clip.picture:
        bases.append(clip.picture.time_base)
    scale = math.lcm(1000, *(base.denominator for base in bases))
    return scale if scale < 2**31 else 90_000


def copied_stream(output: Any, stream: Any, extradata: bytes) -> Any:
    """A stream of the output with the geometry, the colours and the rotation of a source stream."""
    made = output.add_stream_from_template(stream, opaque=True)
    made.codec_context.extradata = extradata or None
    tag = stream.codec_context.codec_tag
    if tag in _KEPT_TAGS and output.format.name in ("mp4", "mov"):
        made.codec_context.codec_tag = tag
    made.disposition = stream.disposition & Disposition.default
    return made
