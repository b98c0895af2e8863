"""The coded packets of a stream, as one digest: whether two files hold the same ones."""

from __future__ import annotations

from hashlib import sha256

from redact.media.bitstream import Cleaner
from redact.media.packets import packets
from redact.media.probe import Clip, PictureStream, SoundStream
from redact.media.source import opened


def coded(clip: Clip, stream: PictureStream | SoundStream) -> str:
    """
    sha256 in hex over the time and the cleaned payload of every packet, in file order. (Payload
    alone in Ogg: its pages say when they end, and a demuxer guesses a time for each packet.)

    Equal for a source and its copy: what the copy has lost is what `Cleaner` takes out.
    """
    digest = sha256()
    with opened(clip.path, clip.container, max_pixels=clip.max_pixels) as source:
        track = source.streams[stream.index]
        cleaner = Cleaner(stream.codec, bytes(track.codec_context.extradata or b""))
        for packet in packets(source, [track], clip.name):
            timed = packet.pts is not None and clip.container != "ogg"
            time = packet.pts * packet.time_base if timed else None
            if payload := cleaner.clean(bytes(packet)):
                digest.update(f"{time} {len(payload)}\n".encode())
                digest.update(payload)
    return digest.hexdigest()
