"""
Methods remove what was found. Those for pictures cover regions of a frame, in place.

`geometry` says which samples, `reference` what is written to them, `audio` does the sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from redact.errors import UsageError
from redact.methods import reference
from redact.methods.geometry import Area, area, touched
from redact.types import Box, Frame, Plane

__all__ = ["METHODS", "Method", "Patch", "checked", "cover", "cover_all", "touched"]

Patch = tuple[Box, str, int]
"""A box in whole luma pixels inside the frame, a picture method, and its `cells`."""


@dataclass(frozen=True, slots=True)
class Method:
    """How a method removes, and what it leaves."""

    medium: Literal["picture", "sound"]
    averages: bool = False  # keeps cells x cells averages of a region; else nothing of it
    smooth: bool = False  # without the edges of cells


METHODS = {
    "fill": Method("picture", smooth=True),  # the colours around the region, or their mean
    "pixelate": Method("picture", averages=True),
    "blur": Method("picture", averages=True, smooth=True),
    "silence": Method("sound"),
    "tone": Method("sound"),
}


def cover(frame: Frame, box: Box, *, method: str, cells: int = 4) -> None:
    """Cover one region of a frame, in place. See `cover_all`, which several regions need."""
    cover_all(frame, [(box, method, cells)])


def cover_all(frame: Frame, regions: Sequence[Patch]) -> None:
    """
    Cover all regions of one frame, in place, on every plane but alpha.

    Nothing inside a box is left but what its method keeps: of `fill` nothing, of `pixelate` and
    `blur` at most cells x cells averages a plane. A soft edge lies around it, up to `touched`.

    The order in which regions are given does not matter, and no region brings back what another
    one removes. On each plane: the colours of all `fill` regions are taken, from outside of every
    region; if other regions take averages, the insides of the `fill` regions are painted, and then
    the averages are taken; then all regions are painted with their soft edges, in the order of
    (x0, y0, x1, y1, method, cells).

    Raises UsageError for a method that does not exist and for a box that leaves the frame, and
    InputError for planes of an unknown layout; the frame is then untouched.
    """
    ordered = checked(frame, regions)
    methods = [(METHODS[name], cells) for _, name, cells in ordered]
    # Y alone, or the first three of Y, U, V, A and R, G, B, A.
    planes = frame.planes[: 3 if len(frame.planes) >= 3 else 1]
    shapes = {plane.shape: plane for plane in planes}
    where = {
        shape: [area(box, frame, plane) for box, *_ in ordered] for shape, plane in shapes.items()
    }
    for plane in planes:
        _cover_plane(plane, where[plane.shape], methods, depth=frame.depth)


def _cover_plane(
    plane: Plane, areas: Sequence[Area], methods: Sequence[tuple[Method, int]], *, depth: int
) -> None:
    fills = [number for number, (method, _) in enumerate(methods) if not method.averages]
    owners = reference.groups([(areas[number].x, areas[number].y) for number in fills])
    colours = {
        number: reference.surroundings(plane, areas[number], areas, depth)
        for number, owner in zip(fills, owners, strict=True)
        if owner < 0
    }
    for owner in {*owners} - {-1}:
        group = [number for number, of in zip(fills, owners, strict=True) if of == owner]
        one = reference.flat(plane, [areas[number] for number in group], areas, depth)
        colours |= dict.fromkeys(group, one)
    if len(colours) < len(methods):
        # An average must not hold what a `fill` region beside it removes.
        for number, filled in colours.items():
            reference.paint(plane, areas[number], filled, smooth=True, soft_edge=False)
    for number, (method, cells) in enumerate(methods):
        if method.averages:
            colours[number] = reference.averages(plane, areas[number], cells)
    for number, (method, _) in enumerate(methods):
        reference.paint(plane, areas[number], colours[number], smooth=method.smooth)


def checked(frame: Frame, regions: Sequence[Patch]) -> list[Patch]:
    """The regions, each once, in the order in which they are painted; raises as `cover_all`."""
    ordered = sorted(set(regions), key=_order)
    _check(frame, ordered)
    return ordered


def _order(region: Patch) -> tuple[int, int, int, int, str, int]:
    box, method, cells = region
    return box.x0, box.y0, box.x1, box.y1, method, cells


def _check(frame: Frame, regions: Sequence[Patch]) -> None:
    whole = Box(0, 0, frame.width, frame.height)
    for box, name, cells in regions:
        if cells < 1:
            raise UsageError(f"{cells} cells: a region has 1 or more.")
        if name not in METHODS or METHODS[name].medium != "picture":
            raise UsageError(f"no method of pictures is called {name!r}.")
        if box & whole != box:
            raise UsageError(f"a region leaves the picture at frame {frame.index}.")
