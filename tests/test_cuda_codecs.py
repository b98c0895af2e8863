"""
NVENC and PyNvVideoCodec over stand-ins: what redact gives them, and what it makes of the answers.

The stand-in for NVENC is x264, which takes NV12 as NVENC does; that for PyNvVideoCodec has its
calls and decodes on the CPU. What NVIDIA's own make of a picture is for tests/gpu to see.
"""

import ctypes
import sys
from dataclasses import replace
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.error import FFmpegError

from redact.cuda.calls import GpuLostError
from redact.cuda.surfaces import downloaded
from redact.errors import DetectorError, InputError
from redact.media import nvenc, pynvvideocodec
from redact.media.decode import frames
from redact.media.on_gpu import frames_on_gpu
from redact.media.probe import probe
from redact.policy import Policy
from tests.media_maker import Picture, make_clip
from tests.test_cuda_clips import (
    FRAMES,
    NO_NVENC,
    POLICY,
    clip_of,
    decoded,
    decoder,  # noqa: F401  # a fixture
    pipelines,
)
from tests.test_pipeline import make, quiet


@pytest.fixture
def encoder(gpu, monkeypatch):
    """NVENC's part, played by x264 with the policy's settings."""
    monkeypatch.setitem(nvenc.CODECS, "h264", "libx264")
    monkeypatch.setattr(nvenc, "_hardware", lambda _gpu: None)
    monkeypatch.setattr(
        nvenc,
        "options",
        lambda encoding, _codec: {
            "crf": str(encoding.crf), "preset": encoding.preset, "a53cc": "0", "udu_sei": "0",
            "x264-params": "log-level=-1",
        },
    )  # fmt: skip
    nvenc._found.pop(gpu, None)


def packets_of(path):
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        context = stream.codec_context
        facts = [
            (packet.pts, packet.dts, packet.duration, packet.is_keyframe, bytes(packet))
            for packet in source.demux(stream)
            if packet.size
        ]
        tags = context.color_range, context.colorspace, context.color_primaries, context.color_trc
        return facts, tags, stream.time_base


@pytest.mark.parametrize("rotation", [0, 90])
def test_from_the_device_to_the_encoder_without_the_host(gpu, encoder, tmp_path, rotation):
    """Frames, times and tags are those of the CPU's encoder: here even each byte is."""
    path = clip_of(tmp_path, rotation=rotation)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = packets_of(target)
    before = gpu.calls.downloaded
    made, target = make(on_the_gpu, path, plan=expected.plan)
    ours = packets_of(target)
    assert made.notes == ()
    assert len(ours[0]) == FRAMES
    assert ours == theirs
    assert gpu.calls.downloaded - before < 0.5 * FRAMES * 160 * 96 * 1.5  # small pictures
    _, strict = pipelines(gpu, strict=True)
    assert make(strict, path)[0].plan.regions
    assert gpu.calls.pinned == {}


@pytest.mark.parametrize("reason", ["hdr", "fields", "closed"])
def test_what_nvenc_does_not_take_is_encoded_on_the_cpu_and_said(
    gpu, encoder, tmp_path, monkeypatch, reason
):
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = decoded(target)
    assert nvenc.has_encoder(gpu)
    if reason == "hdr":
        monkeypatch.setattr(nvenc, "hdr_parameters", lambda *_: ["master-display=..."])
    elif reason == "fields":
        monkeypatch.setattr("redact.media.encode._FIELDS", {0: "tff", 1: "tff"})
        monkeypatch.setattr(nvenc.PictureEncoder, "_created", without_fields)
    else:
        monkeypatch.setitem(nvenc.CODECS, "h264", "libopenjpeg")
    made, target = make(on_the_gpu, path, plan=expected.plan)
    assert made.notes == (
        "The covered picture is encoded on the CPU: NVENC does not take it as it is.",
    )
    for one, other in zip(decoded(target), theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    _, strict = pipelines(gpu, strict=True)
    with pytest.raises(DetectorError, match=r"--strict.*NVENC does not take it"):
        make(strict, path)


_created = nvenc.PictureEncoder._created


def without_fields(self, *given):
    fields, self._fields = self._fields, ""
    context = _created(self, *given)
    self._fields = fields
    return context


def test_a_gpu_without_nvenc_a_codec_and_a_size_that_it_lacks(gpu, tmp_path, monkeypatch):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    assert nvenc.why_not_encoded(clip, gpu) in NO_NVENC
    monkeypatch.setitem(nvenc._found, gpu, True)
    assert nvenc.why_not_encoded(clip, gpu) == ""
    for changes, why in (
        ({"codec": "vp9"}, "does not encode vp9"),
        ({"depth": 10}, "h264 of 10 bits"),
        ({"width": 161}, "even sizes"),
    ):
        other = replace(clip, picture=replace(clip.picture, **changes))
        assert why in nvenc.why_not_encoded(other, gpu)


@pytest.mark.parametrize("codec", sorted(nvenc.CODECS))
def test_ffmpeg_knows_the_options(codec):
    """What it does not know it leaves unused, without a word."""
    context = av.CodecContext.create(nvenc.CODECS[codec], "w")
    options = context.supported_options
    known = {one.name for one in (*options.generic, *options.private)}
    assert set(nvenc.options(Policy().encoding, codec)) <= known
    formats = {one.name for one in context.codec.video_formats}
    assert {"nv12", "p010le", "cuda"} <= formats


class StandInDecoder:
    """PyNvVideoCodec's decoder: units with start codes go in, surfaces come out."""

    def __init__(self, *, gpuid, codec, cudacontext, cudastream, usedevicememory):
        assert usedevicememory is True
        assert all(isinstance(one, int) for one in (gpuid, cudacontext, cudastream))
        self.context = av.CodecContext.create(codec, "r")

    def Decode(self, packet):  # noqa: N802  # NVIDIA's name
        if not packet.bsl:
            return [Surface(one) for one in self.context.decode(None)]
        data = ctypes.string_at(packet.bsl_data, packet.bsl)
        assert data.startswith((b"\0\0\1", b"\0\0\0\1"))
        given = av.Packet(data)
        given.pts = packet.pts
        try:
            return [Surface(one) for one in self.context.decode(given)]
        except FFmpegError as error:
            raise RuntimeError("decode error") from error


class Surface:
    """NV12, or P016, of which the lines are longer than the picture is wide."""

    def __init__(self, picture):
        self.timestamp = picture.pts
        deep = picture.format.components[0].bits > 8
        planes = picture.reformat(format="p010le" if deep else "nv12")
        kind = np.uint16 if deep else np.uint8
        luma, chroma = (np.frombuffer(plane, kind) for plane in planes.planes)
        pitch = luma.size // picture.height
        rows = np.concatenate([luma, chroma]).reshape(-1, pitch)[:, : picture.width]
        lines = np.full((rows.shape[0], picture.width + 32), 77, rows.dtype)
        lines[:, : picture.width] = rows
        self.view = lines[:, : picture.width]

    def __dlpack_device__(self):
        return self.view.__dlpack_device__()

    def __dlpack__(self, *, stream=None):
        return self.view.__dlpack__()


@pytest.fixture
def nvidia(monkeypatch):
    """A module with PyNvVideoCodec's calls."""
    module = SimpleNamespace(
        CreateDecoder=StandInDecoder,
        PacketData=SimpleNamespace,
        cudaVideoCodec=SimpleNamespace(H264="h264", HEVC="hevc"),
    )
    monkeypatch.setitem(sys.modules, "PyNvVideoCodec", module)
    pynvvideocodec._imported.cache_clear()
    yield module
    pynvvideocodec._imported.cache_clear()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(
    ("codec", "pixels"),
    [("libx264", "yuv420p"), ("libx265", "yuv420p"), ("libx265", "yuv420p10le")],
)
def test_pynvvideocodec_gives_the_frames_of_the_cpu(gpu, nvidia, tmp_path, codec, pixels, suffix):
    picture = Picture(
        codec=codec, pixel_format=pixels, width=96, height=64, frames=13, options={"bf": "2"}
        if codec == "libx264" else {},
    )  # fmt: skip
    clip = probe(make_clip(tmp_path / f"clip{suffix}", picture), POLICY.limits)
    assert pynvvideocodec.takes(clip)
    pairs = list(zip(frames_on_gpu(clip, gpu), frames(clip), strict=True))
    assert len(pairs) == 13
    for ours, theirs in pairs:
        for name in ("index", "pts", "time_base", "full_range", "bt601", "depth"):
            assert getattr(ours, name) == getattr(theirs, name)
        for plane, other in zip(downloaded(ours.surface), theirs.planes, strict=True):
            np.testing.assert_array_equal(plane, other)
    del pairs, ours
    assert gpu.used == 0


def test_the_same_file_by_pynvvideocodec(gpu, nvidia, tmp_path):
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = packets_of(target)
    made, target = make(on_the_gpu, path, plan=expected.plan)
    assert made.notes == (NO_NVENC,)
    assert packets_of(target) == theirs


def test_surfaces_with_long_lines_from_nvdec_to_nvenc(gpu, nvidia, encoder, tmp_path):
    path = clip_of(tmp_path)
    on_cpu, on_the_gpu = pipelines(gpu)
    expected, target = make(on_cpu, path)
    theirs = packets_of(target)
    made, target = make(on_the_gpu, path, plan=expected.plan)
    assert made.notes == ()
    assert packets_of(target) == theirs


def test_what_pynvvideocodec_is_not_for_goes_to_pyav(gpu, nvidia, tmp_path, monkeypatch):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    assert pynvvideocodec.takes(clip)
    assert not pynvvideocodec.takes(replace(clip, container="avi"))
    for changes in ({"codec": "vp9"}, {"width": 161}, {"height": 97}):
        assert not pynvvideocodec.takes(replace(clip, picture=replace(clip.picture, **changes)))


def test_without_pynvvideocodec_it_is_said_which_decoder_is_used(monkeypatch):
    from redact.media.on_gpu import decoder_name

    for module, said in ((None, "not installed"), (SimpleNamespace(), "PyNvVideoCodec for H.264")):
        monkeypatch.setitem(sys.modules, "PyNvVideoCodec", module)
        pynvvideocodec._imported.cache_clear()
        assert said in decoder_name()
    pynvvideocodec._imported.cache_clear()


def test_a_stream_that_breaks_in_pynvvideocodec(gpu, nvidia, tmp_path, monkeypatch):
    """From the first picture on it is the decoder's fault; later, the stream's."""
    path = clip_of(tmp_path)
    clip = probe(path, POLICY.limits)
    _, on_the_gpu = pipelines(gpu)
    real, calls = StandInDecoder.Decode, []

    def breaks(self, packet):
        calls.append(packet)
        if len(calls) == 22:
            raise RuntimeError("HW decoder faced error. Re-create instance.")
        return real(self, packet)

    monkeypatch.setattr(StandInDecoder, "Decode", breaks)
    with pytest.raises(InputError, match=r"the picture \(.* s\) does not decode on the GPU"):
        on_the_gpu.plan(clip, quiet)
    assert on_the_gpu.plan(clip, quiet).regions  # the others go on


def test_a_gpu_that_is_lost_in_pynvvideocodec_is_no_broken_stream(
    gpu, nvidia, tmp_path, monkeypatch
):
    def lost(_self, _packet):
        gpu.calls.failing["cuStreamSynchronize"] = 719
        raise RuntimeError("an illegal memory access")

    monkeypatch.setattr(StandInDecoder, "Decode", lost)
    _, on_the_gpu = pipelines(gpu)
    with pytest.raises(GpuLostError):
        on_the_gpu.plan(probe(clip_of(tmp_path), POLICY.limits), quiet)


def test_a_picture_that_nvdec_swallows_is_missed(gpu, nvidia, tmp_path, monkeypatch):
    real, calls = StandInDecoder.Decode, []

    def swallows(self, packet):
        calls.append(packet)
        return real(self, packet)[1:] if len(calls) == 22 else real(self, packet)

    monkeypatch.setattr(StandInDecoder, "Decode", swallows)
    _, on_the_gpu = pipelines(gpu)
    with pytest.raises(InputError, match="frames are missing"):
        on_the_gpu.plan(probe(clip_of(tmp_path), POLICY.limits), quiet)


def test_frames_that_an_edit_list_hides_do_not_come(gpu, nvidia, tmp_path, monkeypatch):
    clip = probe(clip_of(tmp_path), POLICY.limits)
    real = pynvvideocodec._Times.note
    hidden = []

    def note(self, packet):
        real(self, packet)
        if packet is not None and not hidden:
            hidden.append(packet.pts)
            self.hidden.add(packet.pts)

    monkeypatch.setattr(pynvvideocodec._Times, "note", note)
    times = [picture.pts for picture in pynvvideocodec.decoded(clip, gpu)]
    assert len(times) == FRAMES - 1
    assert hidden[0] not in times
