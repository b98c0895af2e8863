"""The order of making a clip's redacted copy: each stream is copied, or edited and encoded."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Any

import av
from av.stream import Discard

from redact.errors import InputError, Reason
from redact.media import still
from redact.media.bitstream import Cleaner
from redact.media.decode import pictures
from redact.media.encode import PictureEncoder, encoder_of
from redact.media.encode_sound import Edit, SoundEncoder
from redact.media.packets import at, duration_of, packets
from redact.media.probe import Clip, SoundStream
from redact.media.source import opened
from redact.media.target import copied_stream, written
from redact.policy import Encoding
from redact.types import Frame

_IN_BAND = frozenset({"ts", "avi", "mp3", "aac"})
"""Containers in which codecs keep their headers among the packets."""


def render(
    clip: Clip,
    target: Path,
    *,
    encoding: Encoding,
    picture: Callable[[Frame], bool] | None,
    sound: Mapping[int, Edit],
    progress: Callable[[float], None],
    shown: Callable[[Clip], Iterator[tuple[Frame, Any]]] = pictures,
    encoder: Callable[..., PictureEncoder] = encoder_of,
) -> None:
    """
    Write the clip's redacted copy to `target`, complete and synced, or raise and leave nothing.

    Args:
        picture: changes a frame's planes in place and says whether it did. None: the picture is
            copied packet for packet, unless an edit list hides a part of it.
        sound: by the index of their stream, what changes the samples; the others are copied.
        progress: is told the share that is done, 0 to 1.
        shown: decodes the frames that `picture` is shown.
        encoder: opens what encodes them, as `encoder_of` does.

    Raises InputError when the source does not decode or can't be encoded again, StoreError when
    the target can't be written.
    """
    if clip.media == "still":
        still.render(clip, target, encoding=encoding, edit=picture)
        return
    with written(clip, target) as output, ExitStack() as files:
        tracks = []
        if clip.picture:
            tracks.append(_picture(clip, output, files, encoding, picture, shown, encoder))
        for stream in clip.sound:
            tracks.append(_sound(clip, output, files, stream, sound.get(stream.index)))
        for packet in heapq.merge(*tracks, key=_decode_time):
            progress(_share(clip, packet))
            output.mux(packet)
    progress(1.0)


def _unchanged(_: Frame) -> bool:
    return False


def _unchanged_sound(*_: Any) -> None:
    pass


def _decode_time(packet: Any) -> float:
    time = packet.dts if packet.dts is not None else packet.pts
    return float((time or 0) * packet.time_base)


def _share(clip: Clip, packet: Any) -> float:
    passed = _decode_time(packet) * 1e6 - clip.start_us
    return min(max(passed / max(clip.duration_us, 1), 0.0), 1.0)


def _track(clip: Clip, files: ExitStack, index: int) -> tuple[Any, Any]:
    """The source, opened once more for this stream alone, and the stream."""
    source = files.enter_context(opened(clip.path, clip.container, max_pixels=clip.max_pixels))
    for stream in source.streams:
        if stream.index != index:
            stream.discard = Discard.all
    return source, source.streams[index]


def _picture(
    clip: Clip,
    output: Any,
    files: ExitStack,
    encoding: Encoding,
    edit: Callable[[Frame], bool] | None,
    shown: Callable[[Clip], Iterator[tuple[Frame, Any]]],
    encoder: Callable[..., PictureEncoder],
) -> Iterator[Any]:
    assert clip.picture is not None
    source, track = _track(clip, files, clip.picture.index)
    if edit is None and not clip.picture.hidden:
        return _copied(clip, output, source, track, clip.picture.codec)
    return _encoded_picture(clip, output, track, encoding, edit or _unchanged, shown(clip), encoder)


def _copied(clip: Clip, output: Any, source: Any, track: Any, codec: str) -> Iterator[Any]:
    cleaner = Cleaner(codec, bytes(track.codec_context.extradata or b""))
    made = copied_stream(output, track, cleaner.extradata)
    return (_clean(clip, packet, cleaner, made) for packet in packets(source, [track], clip.name))


def _clean(clip: Clip, packet: Any, cleaner: Cleaner, stream: Any) -> Any:
    """The packet with its times, its key and trim marks, and nothing else that came along."""
    if packet.has_sidedata("new_extradata"):
        raise InputError(
            f"{clip.name}: {at(packet)} changes its coding half-way.", reason=Reason.UNSUPPORTED
        )
    try:
        clean = av.Packet(cleaner.clean(bytes(packet)))
    except InputError as error:
        raise InputError(f"{clip.name}: {at(packet)}: {error.what}", reason=error.reason) from error
    clean.pts, clean.dts, clean.duration = packet.pts, packet.dts, duration_of(packet)
    clean.time_base, clean.is_keyframe = packet.time_base, packet.is_keyframe
    if packet.has_sidedata("skip_samples"):
        clean.set_sidedata(packet.get_sidedata("skip_samples"))
    clean.stream = stream
    return clean


def _encoded_picture(
    clip: Clip,
    output: Any,
    track: Any,
    encoding: Encoding,
    edit: Callable[[Frame], bool],
    shown: Iterator[tuple[Frame, Any]],
    opened_encoder: Callable[..., PictureEncoder],
) -> Iterator[Any]:
    assert clip.picture is not None
    frame, picture = next(shown)
    encoder = opened_encoder(
        frame,
        clip,
        picture,
        encoding,
        like=track,
        headers=clip.container not in _IN_BAND,
        reorder=_may_reorder(clip),
    )
    cleaner = Cleaner(clip.picture.codec, encoder.extradata)
    made = copied_stream(output, track, cleaner.extradata)

    def encoded() -> Iterator[Any]:
        for shown_frame, shown_picture in chain([(frame, picture)], shown):
            edit(shown_frame)
            yield from encoder.encode(shown_frame, shown_picture)
        yield from encoder.flush()

    return (_clean(clip, packet, cleaner, made) for packet in encoded())


def _may_reorder(clip: Clip) -> bool:
    """B-frames are decoded before time 0 at the start: AVI has no such times, MPEG-TS wraps."""
    assert clip.picture is not None
    if clip.container == "ts":
        return clip.picture.start_pts * clip.picture.time_base > 1
    return clip.container != "avi"


def _sound(
    clip: Clip, output: Any, files: ExitStack, stream: SoundStream, edit: Edit | None
) -> Iterator[Any]:
    source, track = _track(clip, files, stream.index)
    if edit is None and not stream.hidden:
        return _copied(clip, output, source, track, stream.codec)
    return _encoded_sound(clip, output, track, stream, edit or _unchanged_sound)


def _encoded_sound(
    clip: Clip, output: Any, track: Any, stream: SoundStream, edit: Edit
) -> Iterator[Any]:
    try:
        made = output.add_stream(SoundEncoder.name(stream), rate=stream.rate)
    except ValueError as error:
        raise InputError(
            f"{clip.name}: {stream.codec} sound can't be written as {clip.container} again.",
            reason=Reason.UNSUPPORTED,
        ) from error
    made.disposition = track.disposition & 1
    encoder = SoundEncoder(clip, stream, track.codec_context, made.codec_context)

    def encoded() -> Iterator[Any]:
        for packet in encoder.packets(edit):
            packet.stream = made
            yield packet

    return encoded()
