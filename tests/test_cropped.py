"""What a codec cuts off a coded picture is still in the stream: nobody looked at it."""

import av
import pytest
from av.bitstream import BitStreamFilterContext

from redact.errors import InputError
from redact.media.decode import frames
from redact.media.probe import probe
from redact.media.render import render
from redact.policy import Encoding, Limits
from tests.media_maker import Picture, make_clip, packet_hashes


def cropped(folder, codec, crop):
    """A clip whose coded pictures, 320 x 160, are shown without `crop` columns on the right."""
    source = make_clip(folder / "whole.ts", Picture(codec=codec, width=320, height=160, frames=8))
    path = folder / "cropped.ts"
    kind = {"libx264": "h264", "libx265": "hevc"}[codec]
    with av.open(str(source)) as whole, av.open(str(path), "w") as output:
        track = whole.streams.video[0]
        change = BitStreamFilterContext(f"{kind}_metadata=crop_right={crop}", track)
        made = output.add_stream_from_template(track)
        for packet in (one for one in whole.demux(track) if one.size):
            for changed in change.filter(packet):
                changed.stream = made
                output.mux(changed)
    return path


def coded_size(path):
    with av.open(str(path)) as source:
        track = source.streams.video[0]
        next(source.decode(track))
        return track.codec_context.coded_width, track.codec_context.coded_height


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_the_hidden_side_of_a_picture_does_not_go_over(tmp_path, codec):
    path = cropped(tmp_path, codec, 160)
    assert coded_size(path) == (320, 160)
    clip = probe(path, Limits())
    assert (clip.picture.width, clip.picture.height, clip.picture.hidden) == (160, 160, True)

    target = tmp_path / "out.ts"
    render(clip, target, encoding=Encoding(), picture=None, sound={}, progress=lambda _: None)

    assert coded_size(target) == (160, 160)
    assert not probe(target, Limits()).picture.hidden
    assert packet_hashes(target, "video") != packet_hashes(path, "video")


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_picture_that_begins_to_be_cropped_later_is_refused(tmp_path, codec):
    """The first picture says that nothing is cut off; what follows it hides half of itself."""
    whole = make_clip(tmp_path / "first.ts", Picture(codec=codec, width=160, height=160, frames=8))
    path = tmp_path / "both.ts"
    with av.open(str(path), "w") as output, av.open(str(whole)) as first:
        made = output.add_stream_from_template(first.streams.video[0])
        end = 0
        for part in (whole, cropped(tmp_path, codec, 160)):
            end = append(part, output, made, end)
    clip = probe(path, Limits())
    assert not clip.picture.hidden
    with pytest.raises(InputError, match="changes its size"):
        list(frames(clip))


def append(part, output, made, start):
    """Mux a part's packets from `start` on; returns where the next part goes on."""
    with av.open(str(part)) as source:
        packets = [packet for packet in source.demux(video=0) if packet.size]
        shift = start - packets[0].dts
        for packet in packets:
            packet.dts, packet.pts = packet.dts + shift, packet.pts + shift
            packet.stream = made
            output.mux(packet)
        return packets[-1].dts + packets[-1].duration


@pytest.mark.parametrize(
    ("codec", "width", "height"),
    [
        ("libx264", 1920, 1080),
        ("libx265", 1920, 1080),
        ("mpeg2video", 98, 66),
        ("mpeg4", 98, 66),
        ("libvpx-vp9", 98, 66),
        ("libsvtav1", 98, 66),
        ("mjpeg", 98, 66),
    ],
)
def test_the_padding_of_blocks_hides_nothing(tmp_path, codec, width, height):
    formats = {"mjpeg": "yuvj420p"}
    shape = Picture(
        codec=codec,
        width=width,
        height=height,
        frames=2,
        pixel_format=formats.get(codec, "yuv420p"),
    )
    clip = probe(make_clip(tmp_path / "in.mkv", shape), Limits())
    assert (clip.picture.width, clip.picture.height) == (width, height)
    assert not clip.picture.hidden
