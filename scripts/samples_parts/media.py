"""Writes the clips: the same bytes each time, and only the tags that are asked for."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

from .voice import RATE, Speech

Picture = NDArray[np.uint8]  # (height, width, 3), blue green red
Packets = list[Any]

# One thread: with more, where one thread's work ends can depend on the machine.
X264 = {"threads": "1", "preset": "veryfast", "crf": "25"}
X265 = {
    "preset": "superfast",
    "crf": "27",
    "x265-params": "pools=none:frame-threads=1:log-level=none",
}
SOUND_RATE = 48_000
AAC_FRAME = 1024


@dataclass(frozen=True, slots=True)
class Tags:
    """What is planted in the container besides picture and sound."""

    container: dict[str, str] = field(default_factory=dict)
    handlers: tuple[str, str] | None = None  # of the picture's and the sound's track
    chapters: tuple[str, ...] = ()  # titles, one after another, over the whole clip
    subtitles: tuple[tuple[float, float, str], ...] = ()  # start, end, text


@dataclass(frozen=True, slots=True)
class Movie:
    """How a clip is stored."""

    width: int
    height: int
    time_base: Fraction
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: X264)
    rotation: int = 0  # degrees, counter-clockwise, that a player turns the picture
    layout: str = "mono"
    bare: bool = False  # drop the encoder's own line of text from the picture's stream
    tags: Tags = Tags()


def write_movie(
    path: Path,
    movie: Movie,
    pictures: Iterable[tuple[int, Picture]],
    speech: Speech | None = None,
) -> None:
    """Encode `pictures` (time in units of the time base, picture) and `speech` into `path`."""
    options = {"fflags": "+bitexact"}
    if path.suffix == ".mov":
        options["movflags"] = "use_metadata_tags"
    with av.open(str(path), "w", container_options=options) as output:
        output.metadata.update(movie.tags.container)
        streams = [_video_stream(output, movie)]
        if speech is not None:
            streams.append(_sound_stream(output, movie.layout))
        titles = output.add_mux_stream("subrip") if movie.tags.subtitles else None
        for stream, handler in zip(streams, movie.tags.handlers or (), strict=False):
            stream.metadata["handler_name"] = handler
        packets = _video_packets(streams[0], movie, pictures)
        seconds = max(
            float((packet.pts + packet.duration) * packet.time_base) for packet in packets
        )
        output.set_chapters(_chapters(movie.tags.chapters, seconds))
        if speech is not None:
            packets += _sound_packets(streams[1], speech, movie.layout)
        if titles is not None:
            packets += _subtitle_packets(titles, movie.tags.subtitles)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)


def write_wave(path: Path, speech: Speech) -> None:
    """Speech as 16-bit mono at its own rate."""
    with wave.open(str(path), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(RATE)
        output.writeframes((speech.sound * 32767).astype("<i2").tobytes())


def _video_stream(output: Any, movie: Movie) -> Any:
    stream = output.add_stream(movie.codec, options=dict(movie.options))
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = movie.width, movie.height, "yuv420p"
    context.time_base = stream.time_base = movie.time_base
    context.colorspace, context.color_range = Colorspace.ITU709, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    context.flags |= Flags.bitexact
    context.thread_count = 1
    if movie.codec == "libx265":
        context.codec_tag = "hvc1"  # what phones write, and what players on phones accept
    if movie.rotation:
        stream.set_display_rotation(movie.rotation)
    return stream


def _sound_stream(output: Any, layout: str) -> Any:
    stream = output.add_stream("aac", rate=SOUND_RATE, layout=layout)
    stream.codec_context.bit_rate = 96_000
    stream.codec_context.flags |= Flags.bitexact
    return stream


def _video_packets(stream: Any, movie: Movie, pictures: Iterable[tuple[int, Picture]]) -> Packets:
    packets: Packets = []
    for time, picture in pictures:
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = time, movie.time_base
        packets += stream.encode(frame)
    packets += stream.encode(None)
    if movie.bare:
        # Type 6 is supplemental information, where x264 writes its version and settings.
        dropper = BitStreamFilterContext("filter_units=remove_types=6", stream)
        packets = [kept for packet in packets for kept in dropper.filter(packet)]
    return packets


def _sound_packets(stream: Any, speech: Speech, layout: str) -> Packets:
    sound = av.AudioFrame.from_ndarray(speech.sound[None, :], format="fltp", layout="mono")
    sound.sample_rate, sound.pts, sound.time_base = RATE, 0, Fraction(1, RATE)
    resampler = AudioResampler("fltp", layout, SOUND_RATE, frame_size=AAC_FRAME)
    frames = [*resampler.resample(sound), *resampler.resample(None)]
    return [packet for frame in (*frames, None) for packet in stream.encode(frame)]


def _subtitle_packets(stream: Any, lines: tuple[tuple[float, float, str], ...]) -> Packets:
    packets: Packets = []
    for start, end, text in lines:
        packet = av.Packet(text.encode())
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        packets.append(packet)
    return packets


def _chapters(titles: tuple[str, ...], seconds: float) -> list[Any]:
    """Chapters of equal length; times in milliseconds."""
    length = round(seconds * 1000 / max(1, len(titles)))
    return [
        {
            "id": i + 1,
            "start": i * length,
            "end": (i + 1) * length,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for i, title in enumerate(titles)
    ]
