"""HDR metadata of a frame, as the parameters that encoders take."""

from __future__ import annotations

import struct
from typing import Any

_CHROMATICITY = 50_000
_LUMINANCE = 10_000


def hdr_parameters(frame: Any, codec: str) -> list[str]:
    """Mastering display and content light level of a PyAV frame, for x264, x265 or SVT-AV1."""
    data = {side.type.name: bytes(side) for side in frame.side_data}
    mastering = data.get("MASTERING_DISPLAY_METADATA")
    light = data.get("CONTENT_LIGHT_LEVEL")
    found = []
    if mastering is not None:
        found.append(_mastering(mastering, codec))
    if light is not None:
        most, average = struct.unpack_from("=II", light)
        key = {"h264": "cll", "hevc": "max-cll", "av1": "content-light"}.get(codec)
        found.append(f"{key}={most},{average}" if key else "")
    return [parameter for parameter in found if parameter]


def _mastering(data: bytes, codec: str) -> str:
    """AVMasteringDisplayMetadata: 10 rationals (R, G, B and white x, y; least, most), 2 flags."""
    numbers = struct.unpack_from("=20i2i", data)
    if not (numbers[20] and numbers[21]):
        return ""
    values = [
        top / (bottom or 1) for top, bottom in zip(numbers[:20:2], numbers[1:20:2], strict=True)
    ]
    if codec == "av1":
        return "mastering-display=" + _points(values, 1, 1)
    key = {"h264": "mastering-display", "hevc": "master-display"}.get(codec)
    return f"{key}={_points(values, _CHROMATICITY, _LUMINANCE)}" if key else ""


def _points(values: list[float], chroma: int, light: int) -> str:
    """G(x,y)B(x,y)R(x,y)WP(x,y)L(most,least), in the encoder's units."""
    number = "{:.6g}" if chroma == 1 else "{:.0f}"
    text = [number.format(value * chroma) for value in values[:8]]
    red, green, blue, white = (f"({text[i]},{text[i + 1]})" for i in range(0, 8, 2))
    lights = ",".join(number.format(value * light) for value in (values[9], values[8]))
    return f"G{green}B{blue}R{red}WP{white}L({lights})"
