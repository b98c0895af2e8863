"""What a clip is: its streams, times and hidden parts, read from the packets, not the header."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from hashlib import file_digest
from pathlib import Path
from typing import Any, Literal

from av.error import FFmpegError
from av.stream import Disposition

from redact.errors import InputError, Reason
from redact.media.claimed import largest_picture
from redact.media.container import contents
from redact.media.formats import PICTURE_CODECS, SOUND_CODECS, STILLS, container_of
from redact.media.packets import Tally, packets
from redact.media.source import codec_of, opened, shown
from redact.media.whole import check_whole
from redact.policy import Limits
from redact.types import Kind

_PRIMING_SECONDS = Fraction(1, 10)
"""What is not played of a stream's start or end up to here is the codec's own, not of the clip."""


_PADDING = 16
"""Codecs pad a picture to whole blocks. What is cut off beyond is as large as a face."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureStream:
    """The picture of a clip. `rotation` is in degrees counter-clockwise, for display."""

    index: int
    codec: str  # "h264"
    width: int
    height: int
    pixel_format: str  # "yuv420p10le"
    depth: int  # bits per sample
    time_base: Fraction
    start_pts: int
    frames: int  # that are shown: packets of the stream that no edit list hides
    rotation: int
    rate: Fraction  # frames per second, on average
    hidden: bool  # an edit list hides some of its frames, or the codec the side of each


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundStream:
    """One sound track. Times are whole microseconds of presentation time."""

    index: int
    codec: str
    rate: int
    channels: int
    layout: str  # "stereo"
    start_us: int
    duration_us: int
    language: str  # ISO 639-2, or ""
    hidden: bool  # more of it is not played than the codec's run-up


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """One media file, as `probe` found it."""

    path: Path
    sha256: str
    container: str  # "mp4", as in formats.DEMUXERS
    suffix: str  # ".mp4", by content
    media: Literal["video", "sound", "still"]
    start_us: int  # of the stream that starts first
    duration_us: int  # from there to the end of the last
    picture: PictureStream | None
    sound: tuple[SoundStream, ...]
    found: dict[Kind, int]  # what the container holds that does not go over
    max_pixels: int  # of one frame, by the policy

    @property
    def name(self) -> str:
        """For messages."""
        return shown(self.path)


def probe(path: Path, limits: Limits) -> Clip:
    """
    Read the whole file once, and say what it is.

    Raises InputError with its reason: EMPTY, NO_PERMISSION, UNSUPPORTED, REMOTE, LIMITS or
    CORRUPT. A header beyond the limits is refused before a decoder allocates for it.
    """
    name = shown(path)
    container = container_of(path, name)
    _check_size(path, name, limits)
    check_whole(path, container, name)
    _check_claim(path, container, name, limits)
    max_pixels = int(limits.megapixels * 1_000_000)
    with opened(path, container, max_pixels=max_pixels) as source:
        picture, sounds = _streams(source, name, limits)
        tallies = _tallies(source, [*([picture] if picture else []), *sounds], name, limits)
        if container in STILLS:
            tallies[0][1].shown = 1  # of several pictures in one file the first goes over
        first = _first_picture(path, container, picture.index, max_pixels) if picture else None
        return Clip(
            path=path,
            sha256=file_sha256(path),
            container=container,
            suffix={"jpeg": ".jpg"}.get(container, f".{container}"),
            media="still" if container in STILLS else "video" if picture else "sound",
            start_us=_start_us(tallies),
            duration_us=max(_us(t.end, s) for s, t in tallies) - _start_us(tallies),
            picture=_picture(picture, dict(tallies)[picture], *first) if first else None,
            sound=tuple(_sound(stream, dict(tallies)[stream], name) for stream in sounds),
            found=_found(path, name),
            max_pixels=max_pixels,
        )


def _found(path: Path, name: str) -> dict[Kind, int]:
    try:
        return dict(contents(path))
    except InputError as error:
        raise InputError(f"{name}: {error.what}", reason=error.reason) from error


def _check_size(path: Path, name: str, limits: Limits) -> None:
    if path.stat().st_size > limits.gigabytes * 1e9:
        raise _beyond(name, f"it is larger than {limits.gigabytes} GB")


def _check_claim(path: Path, container: str, name: str, limits: Limits) -> None:
    if largest_picture(path, container) > limits.megapixels * 1_000_000:
        raise _too_large(name, limits)


def _too_large(name: str, limits: Limits) -> InputError:
    return _beyond(name, f"its picture says that it is larger than {limits.megapixels} megapixels")


def _beyond(name: str, what: str) -> InputError:
    return InputError(
        f"{name}: {what}.", todo="Raise the policy's limits to allow it.", reason=Reason.LIMITS
    )


def file_sha256(path: Path) -> str:
    """Of the bytes of a file, hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _streams(source: Any, name: str, limits: Limits) -> tuple[Any, list[Any]]:
    """The picture stream, or None, and the sound streams: all that may go over."""
    if len(source.streams) > limits.streams:
        raise _beyond(name, f"it has more than {limits.streams} streams")
    if (source.duration or 0) / 3.6e9 > limits.hours:
        raise _beyond(name, f"it is longer than {limits.hours} hours")
    pictures = [s for s in source.streams.video if not s.disposition & Disposition.attached_pic]
    for stream in pictures:
        # No size is what a decoder leaves that was asked for more than it may allocate.
        if not 0 < stream.width * stream.height <= limits.megapixels * 1_000_000:
            raise _too_large(name, limits)
    sounds = list(source.streams.audio)
    _check_codecs(pictures, sounds, name)
    return (pictures[0] if pictures else None), sounds


def _check_codecs(pictures: list[Any], sounds: list[Any], name: str) -> None:
    if len(pictures) > 1:
        raise InputError(
            f"{name}: the file has more than one picture track.", reason=Reason.UNSUPPORTED
        )
    if not pictures and not sounds:
        raise InputError(f"{name}: no picture and no sound in it.", reason=Reason.EMPTY)
    known = {**dict.fromkeys(pictures, PICTURE_CODECS), **dict.fromkeys(sounds, SOUND_CODECS)}
    for stream, codecs in known.items():
        if codec_of(stream) not in codecs:
            raise InputError(
                f"{name}: track {stream.index} has a codec that redact does not read.",
                reason=Reason.UNSUPPORTED,
            )


def _tallies(source: Any, streams: list[Any], name: str, limits: Limits) -> list[tuple[Any, Tally]]:
    tallies = {stream.index: Tally() for stream in streams}
    for packet in packets(source, streams, name):
        tally = tallies[packet.stream_index]
        tally.add(packet, slots=source.format.name == "avi")
        if tally.end * packet.time_base > limits.hours * 3600:
            raise _beyond(name, f"it is longer than {limits.hours} hours")
    for stream in streams:
        tally = tallies[stream.index]
        if not tally.shown:
            raise InputError(f"{name}: track {stream.index} is empty.", reason=Reason.EMPTY)
        # The index of these containers lists every packet: a short read is a break.
        if source.format.name.startswith("mov") and tally.shown + tally.hidden < len(
            stream.index_entries
        ):
            raise InputError(f"{name}: the file breaks off before its own end.")
    return [(stream, tallies[stream.index]) for stream in streams]


def _us(ticks: int, stream: Any) -> int:
    return int(ticks * stream.time_base * 1_000_000)


def _start_us(tallies: list[tuple[Any, Tally]]) -> int:
    """When the first stream starts; what is before 0 is a codec's run-up."""
    return min(_us(max(tally.start or 0, 0), stream) for stream, tally in tallies)


def _picture(stream: Any, tally: Tally, first: Any, cropped: bool) -> PictureStream:
    length = (tally.end - (tally.start or 0)) * stream.time_base
    return PictureStream(
        index=stream.index,
        codec=codec_of(stream),
        width=first.width,
        height=first.height,
        pixel_format=first.format.name,
        depth=max(component.bits for component in first.format.components),
        time_base=stream.time_base,
        start_pts=tally.start or 0,
        frames=tally.shown,
        rotation=first.rotation,
        rate=Fraction(tally.shown / length).limit_denominator(1001) if length else Fraction(25),
        hidden=cropped or tally.hidden > 0,
    )


def _first_picture(path: Path, container: str, index: int, max_pixels: int) -> tuple[Any, bool]:
    """
    The first frame that decodes: what a header says of a picture need not be so.

    And whether there is more of it in the stream than is shown.
    """
    with opened(path, container, max_pixels=max_pixels) as source:
        track = source.streams[index]
        track.codec_context.options = {"max_pixels": str(max_pixels)}
        try:
            for packet in packets(source, [track], shown(path)):
                for picture in track.decode(packet):
                    return picture, _is_cropped(track.codec_context, picture)
            for picture in track.decode(None):
                return picture, _is_cropped(track.codec_context, picture)
        except FFmpegError as error:
            raise InputError(f"{shown(path)}: the picture does not decode.") from error
    raise InputError(f"{shown(path)}: the picture track has no readable picture.")


def _is_cropped(context: Any, shown: Any) -> bool:
    beyond = context.coded_width - shown.width, context.coded_height - shown.height
    return bool(max(beyond) >= _PADDING)


def _layout(layout: Any) -> str:
    """ "mono" and "stereo" too where the file only counts its channels."""
    unnamed = layout.name == f"{layout.nb_channels} channels"
    return {1: "mono", 2: "stereo"}.get(layout.nb_channels if unnamed else 0, str(layout.name))


def _sound(stream: Any, tally: Tally, name: str) -> SoundStream:
    context = stream.codec_context
    if not (context.sample_rate and context.layout.nb_channels):
        raise InputError(f"{name}: sound track {stream.index} has no readable sound.")
    language = str(stream.metadata.get("language", ""))
    known = re.fullmatch("[a-z]{3}", language) and language != "und"
    start = max(tally.start or 0, 0)  # before 0 is the codec's run-up
    return SoundStream(
        index=stream.index,
        codec=codec_of(stream),
        rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=_layout(context.layout),
        start_us=_us(start, stream),
        duration_us=_us(tally.end - start, stream),
        language=language if known else "",
        hidden=max(
            tally.hidden_ticks * stream.time_base,
            Fraction(max(tally.trimmed_starts, tally.trimmed_ends), context.sample_rate),
        )
        > _PRIMING_SECONDS,
    )
