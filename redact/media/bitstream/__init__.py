"""
Takes out of coded pictures and sound what a decoder does not need to show or play them.

An encoder, a camera or an editor can put text, captions and telemetry between the coded
pictures. Every codec family keeps what is on its list of harmless units and drops the rest, so a
unit that was invented tomorrow is dropped too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from redact.errors import InputError, Reason
from redact.media.bitstream.jpeg import MotionJpeg
from redact.media.bitstream.nal import NalUnits
from redact.media.bitstream.obu import Obus
from redact.media.bitstream.sound import Aac, Flac, Opus, Vorbis
from redact.media.bitstream.startcodes import StartCodes
from redact.types import Kind


class Family(Protocol):
    """How the units of one family of codecs are told apart."""

    extradata: bytes
    """The codec's header, clean."""

    def clean(self, packet: bytes) -> bytes:
        """The packet without what has to go; the same bytes if there is nothing."""
        ...


class Plain:
    """A codec whose packets have no room for anything but picture or sound."""

    def __init__(self, codec: str, extradata: bytes, removed: Counter[Kind]) -> None:
        """Keeps a header of the size that the codec can have: what is longer holds more."""
        self.extradata = extradata
        if len(extradata) > LONGEST_HEADER.get(codec, 12):
            removed[Kind.METADATA] += 1
            self.extradata = b""

    def clean(self, packet: bytes) -> bytes:
        return packet


# In bytes. The others: four features of VP9, the fields of an AVI's MP3, AC-3's settings.
LONGEST_HEADER = {"alac": 36}
FAMILIES: dict[str, Callable[[str, bytes, Counter[Kind]], Family]] = {
    "h264": NalUnits,
    "hevc": NalUnits,
    "mpeg4": StartCodes,
    "mpeg1video": StartCodes,
    "mpeg2video": StartCodes,
    "mjpeg": MotionJpeg,
    "av1": Obus,
    "vp8": Plain,
    "vp9": Plain,
    "aac": Aac,
    "ac3": Plain,
    "alac": Plain,
    "eac3": Plain,
    "flac": Flac,
    "mp2": Plain,
    "mp3": Plain,
    "opus": Opus,
    "vorbis": Vorbis,
}


class Cleaner:
    """
    Cleans one stream, packet by packet.

    Args:
        codec: the name that FFmpeg gives the codec: "h264", "aac".
        extradata: the codec's header as the container holds it. It tells Annex B from
            length-prefixed units.

    Raises InputError: UNSUPPORTED for a codec without a rule, CORRUPT for a header that breaks
    its format.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        family = Plain if codec.startswith("pcm_") else FAMILIES.get(codec)
        if family is None:
            raise InputError(
                f"a stream is coded as {codec}, of which redact can't tell what else it holds.",
                todo="Convert the clip to H.264 and AAC first.",
                reason=Reason.UNSUPPORTED,
            )
        self.removed: Counter[Kind] = Counter()
        """What was found and left out so far."""
        self._family = family(codec, bytes(extradata), self.removed)

    @property
    def extradata(self) -> bytes:
        """The codec's header, clean."""
        return self._family.extradata

    def clean(self, packet: bytes) -> bytes:
        """
        The packet without what has to go; equal to `packet` if there is nothing.

        Empty if nothing of it stays: such a packet held no picture. Raises InputError (CORRUPT)
        if it breaks the codec's rules.
        """
        return self._family.clean(packet)
