"""Makes the small clips that tests need: any codec, any timing, written by PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray

MUXERS = {
    ".mp4": "mp4",
    ".mov": "mov",
    ".m4a": "ipod",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".wav": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".ogg": "ogg",
    ".aac": "adts",
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A moving pattern. `times` are the frames' pts in `time_base`; without it they are even."""

    codec: str = "libx264"
    width: int = 96
    height: int = 64
    frames: int = 20
    pixel_format: str = "yuv420p"
    rate: int | Fraction = 25
    time_base: Fraction | None = None
    times: Sequence[int] | None = None
    rotation: int = 0
    aspect: Fraction | None = None
    colours: tuple[int, int, int, int] | None = None  # primaries, transfer, matrix, range
    options: dict[str, str] = field(default_factory=dict)
    gop: int = 12
    greys: Sequence[NDArray[np.uint8]] | None = None  # instead of the pattern, one per frame


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A tone that rises, another one per channel. `start` in seconds."""

    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    seconds: float = 0.8
    start: float = 0.0
    samples: NDArray[np.float32] | None = None  # instead of the tone, (channels, n)
    default: bool = True
    gap: tuple[float, float] = (0.0, 0.0)  # after so many seconds, nothing for so many


QUIET = {
    "libx264": {"preset": "veryfast"},
    "libx265": {
        "preset": "ultrafast",
        "x265-params": "log-level=none:info=0:frame-threads=1:pools=1",
    },
    "libsvtav1": {"preset": "10", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "mpeg4": {"b": "2000000"},
    "mjpeg": {"b": "8000000"},
}


def make_clip(
    path: Path,
    picture: Picture | None = None,
    voices: Sequence[Voice] = (),
    *,
    muxer: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
) -> Path:
    """Write a clip in the format of the path's suffix, and give the path back."""
    with (
        path.open("wb") as file,
        av.open(file, "w", format=MUXERS[path.suffix], container_options=muxer or {}) as output,
    ):
        output.metadata.update(tags or {})
        tracks: list[Any] = []
        if picture:
            tracks.append(_pictures(_picture_stream(output, picture), picture))
        tracks += [_sound(_sound_stream(output, voice), voice) for voice in voices]
        packets = [packet for track in tracks for packet in track]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)
    return path


def pattern(index: int, width: int, height: int, peak: int = 255) -> NDArray[np.float64]:
    """A smooth picture that moves a little from frame to frame, (height, width) in [0, peak]."""
    y, x = np.mgrid[0:height, 0:width]
    return peak * (0.5 + 0.35 * np.sin((x + 3 * index) / 11) * np.cos((y - index) / 7))


def tone(rate: int, seconds: float, channels: int) -> NDArray[np.float32]:
    """A tone that rises from 200 Hz, (channels, n); each channel a little ahead of the last."""
    time = np.arange(int(rate * seconds)) / rate
    phase = 2 * np.pi * (200 + 300 * time) * time
    return np.array([0.4 * np.sin(phase + 0.15 * k) for k in range(channels)], np.float32)


def packet_hashes(path: Path, kind: str) -> list[list[bytes]]:
    """The payloads of every stream of a kind ("video", "audio"), in file order."""
    with av.open(str(path)) as source:
        streams = [stream for stream in source.streams if stream.type == kind]
        found: dict[int, list[bytes]] = {stream.index: [] for stream in streams}
        for packet in source.demux(streams) if streams else ():
            if packet.size:
                found[packet.stream_index].append(bytes(packet))
    return list(found.values())


def _picture_stream(output: Any, picture: Picture) -> Any:
    stream = output.add_stream(picture.codec, rate=picture.rate)
    stream.width, stream.height = picture.width, picture.height
    stream.pix_fmt = picture.pixel_format
    context = stream.codec_context
    context.time_base = picture.time_base or 1 / Fraction(picture.rate)
    context.gop_size, context.thread_count = picture.gop, 1
    context.options = {**QUIET.get(picture.codec, {}), **picture.options}
    if picture.aspect:
        context.sample_aspect_ratio = picture.aspect
    if picture.colours:
        context.color_primaries, context.color_trc = picture.colours[:2]
        context.colorspace, context.color_range = picture.colours[2:]
    if picture.rotation:
        stream.set_display_rotation(picture.rotation)
    return stream


def _pictures(stream: Any, picture: Picture) -> Any:
    base = picture.time_base or 1 / Fraction(picture.rate)
    times = picture.times or [int(Fraction(i) / picture.rate / base) for i in range(picture.frames)]
    for index, pts in enumerate(times):
        frame = av.VideoFrame(picture.width, picture.height, picture.pixel_format)
        bits = frame.format.components[0].bits
        for number, plane in enumerate(frame.planes):
            lines = np.frombuffer(plane, np.uint8 if bits == 8 else np.uint16)
            lines = lines.reshape(plane.height, -1)
            lines[:] = 0  # the padding too: encoders may look at it
            if picture.greys:
                lines[:, : plane.width] = 128 if number else picture.greys[index]
                continue
            lines[:, : plane.width] = pattern(
                index + 5 * number, plane.width, plane.height, (1 << bits) - 1
            )
        frame.pts, frame.time_base = pts, base
        if picture.colours:
            frame.color_primaries, frame.color_trc = picture.colours[:2]
            frame.colorspace, frame.color_range = picture.colours[2:]
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _sound_stream(output: Any, voice: Voice) -> Any:
    stream = output.add_stream(voice.codec, rate=voice.rate)
    stream.layout = voice.layout
    stream.disposition = int(voice.default)
    stream.codec_context.options = {"strict": "experimental"}
    stream.codec_context.flags |= Flags.bitexact
    return stream


def _sound(stream: Any, voice: Voice) -> Any:
    samples = voice.samples
    if samples is None:
        samples = tone(voice.rate, voice.seconds, stream.channels)
    first = round(voice.start * voice.rate)
    for at in range(0, samples.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, at : at + 1024]), "fltp", voice.layout
        )
        late = round(voice.gap[1] * voice.rate) if at >= voice.gap[0] * voice.rate else 0
        frame.sample_rate, frame.pts = voice.rate, first + at + late
        frame.time_base = Fraction(1, voice.rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)
