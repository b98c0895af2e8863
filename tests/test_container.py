"""What a file holds beside picture and sound is found, and none of it is in what we write."""

import pytest

from redact.errors import InputError
from redact.media.container import contents
from redact.types import Kind
from tests.media_maker import Picture, Voice, make_clip

H264 = Picture()
EXACT = {"fflags": "+bitexact"}


def test_tags_are_found(tmp_path):
    clip = make_clip(tmp_path / "in.mp4", H264, tags={"title": "Adelheid", "artist": "Quandt"})
    assert contents(clip)[Kind.METADATA] >= 2
