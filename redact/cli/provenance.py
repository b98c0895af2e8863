"""The options --attest, --lineage and --c2pa: what other tools read of a run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import click

from redact.cli import say
from redact.errors import RedactError, StoreError, UsageError, printable
from redact.ledger.files import sync_folder, write_durably, writing
from redact.ledger.log import Signer
from redact.policy import Policy
from redact.provenance.run import Run, Tally
from redact.redactor import Finish, Result
from redact.store import Store
from redact.version import __version__


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run was asked to tell, and where."""

    attest: Path | None
    lineage: Path | None
    c2pa: tuple[Path, Path] | None  # certificate, key
    c2pa_embed: bool = False


attest_option = click.option(
    "--attest",
    type=click.Path(path_type=Path),
    help="Write a signed in-toto attestation of the run to this new file.",
)
lineage_option = click.option(
    "--lineage",
    type=click.Path(path_type=Path),
    help="Append OpenLineage events of the run to this file.",
)
c2pa_option = click.option(
    "--c2pa",
    nargs=2,
    metavar="CERTIFICATE KEY",
    type=click.Path(path_type=Path),
    help="Sign a C2PA manifest for each published MP4, in STORE/provenance.",
)
embed_option = click.option(
    "--c2pa-embed",
    is_flag=True,
    help="Put that manifest into the MP4, before it is recorded, instead of beside it.",
)
_RECORDED = "The clips of this run are published and recorded; this file does not tell of them."
_AGAIN = "See to the disk (space, rights, health), then run again: clips are not done twice."


def provenance_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that make up an `Asked`."""
    return attest_option(lineage_option(c2pa_option(embed_option(command))))


def check_provenance(asked: Asked, store: Path) -> Asked:
    """Raises UsageError, before any work, where the files could not be written at the end."""
    for path, library in ((asked.attest, "securesystemslib"), (asked.lineage, "openlineage")):
        if path is None:
            continue
        if find_spec(library) is None:
            raise UsageError(
                f"{library} is not installed.", todo="pip install 'redact[provenance]'"
            )
        if not path.parent.is_dir() or path.is_dir():
            raise UsageError(f"{printable(path)} can't be a file: see its folder.")
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(store)):
            raise UsageError(f"{printable(path)} lies inside the store.", todo="Keep it elsewhere.")
    if asked.attest is not None and os.path.lexists(asked.attest):
        raise UsageError(
            f"{printable(asked.attest)} is there already.", todo="Name a new file for each run."
        )
    if asked.c2pa_embed and asked.c2pa is None:
        raise UsageError("--c2pa-embed needs --c2pa CERTIFICATE KEY.")
    return asked


@contextmanager
def finishing(asked: Asked) -> Iterator[Finish | None]:
    """What is done to each output before it is recorded, if anything is. Raises UsageError."""
    if asked.c2pa is None or not asked.c2pa_embed:
        yield None
        return
    _check_c2pa()
    from redact.provenance.manifests import MEDIA, embed, signer  # an optional extra

    one = Lock()  # a signer is not for several threads at once
    with signer(*asked.c2pa) as by:

        def finish(output: Path, media: str) -> str:
            if media != MEDIA:
                return "none"
            with one, writing("a C2PA manifest could not be written"):
                embed(output, by)
            return "embedded"

        yield finish


@contextmanager
def telling(store: Store, policy: Policy, asked: Asked) -> Iterator[Callable[[Result], None]]:
    """
    Tells of a run in the files that were asked for; yields what takes each result.

    Raises UsageError for a certificate or key that can't be used, before the run; StoreError for a
    file that can't be written, before the run or when it is recorded.
    """
    tally = Tally()
    with _manifests(store, tally, None if asked.c2pa_embed else asked.c2pa):
        with _events(store, policy, tally, asked.lineage):
            yield tally.add
        if asked.attest is not None:
            _attest(store, policy, tally, asked.attest)


@contextmanager
def _events(store: Store, policy: Policy, tally: Tally, path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    from redact.provenance.lineage import Lineage  # an optional extra

    lineage = Lineage(store.log.origin, __version__)
    _append(path, lineage.start(), "Nothing was done.")
    try:
        yield
    except BaseException:
        try:
            _append(path, lineage.fail(), _RECORDED)
        except RedactError as error:  # what stopped the run is what is raised
            say(f"redact: {error}", err=True)
        raise
    _append(path, lineage.complete(_closed(store, policy, tally)[0]), _RECORDED)


def _closed(store: Store, policy: Policy, tally: Tally) -> tuple[Run, Signer]:
    try:
        head, key = store.log.signing()
        return tally.close(store, policy, head), key
    except StoreError as error:
        raise StoreError(error.what, means=_RECORDED, todo=error.todo) from error


def _attest(store: Store, policy: Policy, tally: Tally, path: Path) -> None:
    from redact.provenance.attest import envelope, statement  # an optional extra

    run, key = _closed(store, policy, tally)
    if not run.clips:
        say(f"{printable(path)} was not written: nothing was published to attest.", err=True)
        return
    try:
        write_durably(path, envelope(statement(run), key))
    except OSError as error:
        raise _unwritten(path, error, _RECORDED) from error


@contextmanager
def _manifests(store: Store, tally: Tally, c2pa: tuple[Path, Path] | None) -> Iterator[None]:
    """Signs a manifest for each published MP4, once the run has ended and is told."""
    if c2pa is None:
        yield
        return
    _check_c2pa()
    from redact.provenance.manifests import manifest, signer  # an optional extra

    folder = store.root / "provenance"
    with signer(*c2pa) as by:
        yield
        for record in sorted(tally.records):
            output = store.root / "clips" / f"{record}.mp4"
            if output.exists():  # another container, or withdrawn meanwhile, if not
                try:
                    made = manifest(output, by)
                    folder.mkdir(exist_ok=True)
                    write_durably(folder / f"{record}.c2pa", made)
                except OSError as error:
                    raise _unwritten(folder, error, _RECORDED) from error


def _check_c2pa() -> None:
    if find_spec("c2pa") is None:
        raise UsageError("c2pa is not installed.", todo="pip install 'redact[provenance]'")


def _append(path: Path, line: bytes, means: str) -> None:
    """Add a line in one write, and return once it is on disk."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(fd, line) != len(line):
                raise OSError(0, "it was written in part")
            os.fsync(fd)
        finally:
            os.close(fd)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritten(path, error, means) from error


def _unwritten(path: Path, error: OSError, means: str) -> StoreError:
    why = error.strerror or type(error).__name__
    return StoreError(f"{printable(path)} could not be written: {why}.", means=means, todo=_AGAIN)
