"""The option --manifest: where clips come from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click
from tqdm import tqdm

from redact.cli import say
from redact.errors import printable
from redact.sources import Manifest, read

manifest_option = click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    help="Where the clips come from: CSV, JSON Lines or Croissant. What may not be used is held.",
)


def read_manifest(path: Path | None, files: Collection[Path]) -> Manifest | None:
    """What a manifest says of these files, with progress if it takes long; None without one."""
    if path is None:
        return None
    with tqdm(desc="manifest", unit=" rows", delay=2) as bar:
        manifest = read(path, files, watch=lambda rows: _show(bar, rows))
    if manifest.absent:
        _say_absent(manifest)
    return manifest


def _show(bar: tqdm[None], rows: int) -> None:
    bar.update(rows - bar.n)


def _say_absent(manifest: Manifest) -> None:
    """Rows for files that are not there may be a typo: then another file has no row."""
    files = ", ".join(printable(name) for name in manifest.missing)
    more = ", ..." if manifest.absent > len(manifest.missing) else ""
    say(
        f"{manifest.absent} of {manifest.rows} rows of the manifest name files that are not there: "
        f"{files}{more}",
        err=True,
    )
