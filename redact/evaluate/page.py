"""The page of a report: its table, and the worst frames as outlines on the redacted output."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from html import escape

import cv2
import numpy as np

from redact.detectors.runtime import letterbox
from redact.errors import printable
from redact.evaluate.report import Report, as_lines
from redact.evaluate.score import Bad

LONG_SIDE = 720

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>redact evaluate</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
pre { background: #f4f4f4; overflow-x: auto; padding: 1rem }
figure { margin: 2rem 0 }
svg { height: auto; max-width: 100% }
rect { fill: none; stroke-width: 3 }
.leaks { stroke: #d00000 } .gone { stroke: #008000; stroke-dasharray: 8 4 }
</style>
<h1>What the redaction left behind</h1>
"""
_LEGEND = """<h2>The worst frames</h2>
<p>Frames of the redacted output, as published. Outlines are the labels: red, solid where what is
labelled can still be seen; green, dashed where it is gone.</p>
"""


def page(report: Report) -> str:
    """HTML that needs no other file. Pictures in it are of the redacted output alone."""
    return "".join(_parts(report))


def _parts(report: Report) -> Iterator[str]:
    yield _HEAD
    yield f"<pre>{escape(chr(10).join(map(printable, as_lines(report))))}</pre>\n"
    yield _LEGEND
    yield from map(_figure, report.worst)
    if not report.worst:
        yield "<p>Of nothing labelled anything can still be seen.</p>\n"
    yield "</html>\n"


def _figure(bad: Bad) -> str:
    picture, scale = letterbox(bad.frame, min(LONG_SIDE, max(bad.frame.width, bad.frame.height)), 1)
    height, width = picture.shape[1:]
    _, jpeg = cv2.imencode(".jpg", picture[::-1].transpose(1, 2, 0).round().astype(np.uint8))
    data = b64encode(jpeg.tobytes()).decode()
    boxes = "".join(
        f'<rect class="{"leaks" if leaks else "gone"}" x="{label.box.x0 * scale:.1f}" '
        f'y="{label.box.y0 * scale:.1f}" width="{label.box.width * scale:.1f}" '
        f'height="{label.box.height * scale:.1f}"/>'
        for label, leaks in bad.labels
    )
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" width="{width}">'
        f'<image href="data:image/jpeg;base64,{data}" width="{width}" height="{height}"/>'
        f"{boxes}</svg><figcaption>{escape(printable(bad.name))}, frame {bad.index}: "
        f"{bad.leaks} leak, at most {bad.share:.0%} of a box's texture is left"
        "</figcaption></figure>\n"
    )
