"""
Encodes the planes of a still again, with what its clean file says about the picture.

What is kept of the source is orientation, profile, resolution; the samples come from the planes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
from av.error import FFmpegError

from redact.errors import InputError, Reason
from redact.media import still_jpeg, still_png, still_webp
from redact.media.bitstream.jpeg import CODING, EOI, Segment, picture
from redact.media.planes import view
from redact.policy import Encoding
from redact.types import Frame, Plane

DQT = 0xDB
MEAN_STEP = 31.9  # of the table that FFmpeg scales: MPEG's for intra pictures, in eighths
SAID = frozenset({b"gAMA", b"cHRM", b"sRGB", b"cICP", b"iCCP", b"pHYs", b"eXIf", b"mDCV", b"cLLI"})
CODED = frozenset({b"IHDR", b"IDAT", b"IEND"})
# By the number of planes and whether they have more than 8 bits: the encoder's order of samples.
PACKED = {
    (1, False): ("gray", "gray"),
    (1, True): ("gray16le", "gray16be"),
    (3, False): ("gbrp", "rgb24"),
    (3, True): ("gbrp16le", "rgb48be"),
    (4, False): ("gbrap", "rgba"),
    (4, True): ("gbrap16le", "rgba64be"),
}


def jpeg(source: bytes, frame: Frame, _pixel_format: str, _encoding: Encoding) -> bytes:
    """
    The planes as a JPEG file with what is said about the picture in `source`, a clean file.

    Chroma that the encoder does not take so coarse (4:4:0, 4:1:1) is repeated, not filtered.
    Raises InputError (UNSUPPORTED) for a picture that is not coded as brightness and colour.
    """
    if frame.rgb or len(frame.planes) not in (1, 3):
        raise InputError("a JPEG picture that is coded as RGB or CMYK.", reason=Reason.UNSUPPORTED)
    segments = list(picture(source))
    quantiser = _quantiser(segments)
    if len(frame.planes) == 1:
        _, data = cv2.imencode(".jpg", frame.planes[0], [cv2.IMWRITE_JPEG_QUALITY, 95])
        new = data.tobytes()
    else:
        new = _encode("mjpeg", _in_yuv(frame), {"huffman": "optimal"}, quantiser)
    kept = [one for one in picture(new) if one.marker in CODING or one.marker == EOI]
    said = still_jpeg.said(segments, Counter())
    return b"".join([new[:2], *said, *(new[one.start : one.end] for one in kept)])


def _in_yuv(frame: Frame) -> Any:
    """In one of the subsamplings that the encoder has."""
    luma, *chroma = frame.planes
    down, across = (-(-luma.shape[i] // chroma[0].shape[i]) for i in (0, 1))
    name = {(2, 2): "yuvj420p", (1, 2): "yuvj422p", (1, 1): "yuvj444p"}.get((down, across))
    if name is None:
        height, width = luma.shape
        chroma = [c.repeat(down, 0)[:height].repeat(across, 1)[:, :width] for c in chroma]
        name = "yuvj444p"
    return _pictured(replace(frame, planes=(luma, *chroma)), name)


def _quantiser(segments: list[Segment]) -> int:
    """The encoder's scale at which its table is as fine on average as the picture's own."""
    tables = [s.body for s in segments if s.marker == DQT and len(s.body) >= 65]
    if not tables:
        return 1
    wide = tables[0][0] >> 4
    steps = np.frombuffer(tables[0][1:], ">u2" if wide else np.uint8)[:64]
    return max(1, min(31, int(8 * float(steps.mean()) / MEAN_STEP)))


def png(source: bytes, frame: Frame, pixel_format: str, _encoding: Encoding) -> bytes:
    """The planes as a PNG file with what is said about the picture in `source`, a clean file."""
    new = _encode("png", _in_png_order(frame, pixel_format), {"pred": "mixed"})
    said = [(kind, body) for kind, body in still_png.chunks(source, Counter()) if kind in SAID]
    coded = [(kind, body) for kind, body in still_png.chunks(new, Counter()) if kind in CODED]
    parts = [coded[0], *said, *coded[1:]]
    return still_png.SIGNATURE + b"".join(still_png.chunk(kind, body) for kind, body in parts)


def _in_png_order(frame: Frame, pixel_format: str) -> Any:
    """In the order of samples that the encoder takes; grey with alpha stays grey."""
    deep = frame.depth > 8
    if pixel_format.startswith("ya"):
        grey = replace(frame, planes=(frame.planes[0],), rgb=False)
        return _with_alpha(grey, frame.planes[3])
    planar, packed = PACKED[len(frame.planes), deep]
    return _pictured(frame, planar).reformat(format=packed)


def _with_alpha(grey: Frame, alpha: Plane) -> Any:
    samples = np.stack([grey.planes[0], alpha], axis=-1)
    deep = samples.dtype == np.uint16
    made = av.VideoFrame(grey.width, grey.height, "ya16be" if deep else "ya8")
    lines = np.frombuffer(made.planes[0], ">u2" if deep else np.uint8)
    lines = lines.reshape(grey.height, -1)[:, : 2 * grey.width]
    lines[:] = samples.reshape(grey.height, -1)
    return made


def webp(source: bytes, frame: Frame, _pixel_format: str, encoding: Encoding) -> bytes:
    """The planes as a WebP file with what is said about the picture in `source`, a clean file."""
    if frame.rgb:
        planar = "gbrap" if len(frame.planes) == 4 else "gbrp"
        picture = _pictured(frame, planar).reformat(format="bgra")
        new = _encode("libwebp", picture, {"lossless": "1", "compression_level": "4"})
    else:
        picture = _pictured(frame, "yuva420p" if len(frame.planes) == 4 else "yuv420p")
        new = _encode("libwebp", picture, {"quality": str(100 - encoding.crf // 2)})
    said = {c.kind: source[c.start : c.end] for c in still_webp.parts(source, Counter())}
    made = {c.kind: new[c.start : c.end] for c in still_webp.parts(new, Counter())}
    kept: dict[bytes, bytes] = {k: said[k] for k in (b"ICCP", b"EXIF") if k in said}
    coded = {kind: part for kind, part in made.items() if kind in still_webp.PICTURE}
    if not kept and b"ALPH" not in coded:
        return still_webp.written(coded)
    size = (frame.width - 1).to_bytes(3, "little") + (frame.height - 1).to_bytes(3, "little")
    head = {b"VP8X": still_webp.header(kept, alpha=len(frame.planes) == 4, size=size)}
    profile: dict[bytes, bytes] = {k: part for k, part in kept.items() if k == b"ICCP"}
    return still_webp.written({**head, **profile, **coded, **kept})


ENCODERS = {"jpeg": jpeg, "png": png, "webp": webp}


def _encode(codec: str, picture: Any, options: dict[str, str], quantiser: int = 0) -> bytes:
    """
    One picture as the bytes of a whole file.

    `quantiser` is FFmpeg's scale for MJPEG, 1 (finest) to 31. Raises InputError (UNSUPPORTED)
    when the encoder does not take the picture.
    """
    context = av.CodecContext.create(codec, "w")
    context.width, context.height = picture.width, picture.height
    context.pix_fmt, context.time_base = picture.format.name, Fraction(1, 25)
    context.options = options
    if quantiser:
        context.qmin = context.qmax = quantiser
    picture.pts = 0
    try:
        return b"".join(bytes(p) for p in [*context.encode(picture), *context.encode(None)])
    except FFmpegError as error:
        raise InputError(
            f"the picture can't be encoded as {codec} again.", reason=Reason.UNSUPPORTED
        ) from error


def _pictured(frame: Frame, pixel_format: str) -> Any:
    """A PyAV frame of the planar format `pixel_format` with the planes of `frame`."""
    picture = av.VideoFrame(frame.width, frame.height, pixel_format)
    planes = frame.planes
    if frame.rgb:
        planes = (planes[1], planes[2], planes[0], *planes[3:])
    for plane, samples in zip(picture.planes, planes, strict=True):
        view(plane, np.uint8 if frame.depth == 8 else np.uint16)[:] = samples
    return picture
