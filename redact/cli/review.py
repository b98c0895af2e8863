"""redact review, redact account: the page for compliance staff, and who may use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from redact.cli import json_option, main, say
from redact.errors import UsageError

file_option = click.Path(dir_okay=False, path_type=Path)


@main.command()
@click.option("--store", required=True, type=click.Path(path_type=Path), help="The store to show.")
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen. Another than this machine only with --accounts, and --certificate with "
    "--key or --behind.",
)
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535))
@click.option("--accounts", type=file_option, help="People and roles, see redact account add.")
@click.option("--certificate", type=file_option, help="TLS certificate, PEM.")
@click.option("--key", type=file_option, help="Its private key, PEM.")
@click.option("--behind", metavar="URL", help="The https address of a proxy in front of the page.")
@click.option(
    "--known-leaks",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of clips that leak, mixed into samples to measure the reviewers.",
)
@click.option(
    "--witness",
    type=file_option,
    help="A file of yours that remembers the ledger, to find roll-backs; see redact ledger verify.",
)
@json_option
def review(store: Path, as_json: bool, **where: Any) -> None:
    """
    Serve the page for compliance staff: what was removed, what is open, what others ask for.

    Prints a link that works once. Ends with Ctrl-C. A store that is not sound is shown read-only.
    """
    try:
        from redact.review.server import Where, serve
    except ImportError as error:
        raise UsageError(
            f"the review page needs {error.name}.",
            means="The page was not started.",
            todo="Install it: pip install 'redact[review]'",
        ) from error

    def up(base: str, link: str | None) -> None:
        if as_json:
            click.echo(json.dumps({"address": base, "link": link}))
        elif link:
            say(f"Open this once, within 15 minutes:\n  {link}")
        else:
            say(f"Sign in on {base}")

    serve(store, Where(**where), up)


@main.group()
def account() -> None:
    """The people who may use the review page: add."""


@account.command()
@click.argument("name")
@click.option(
    "--role", required=True, type=click.Choice(["viewer", "reviewer", "officer", "auditor"])
)
@click.option("--accounts", required=True, type=file_option, help="The file to add it to.")
@json_option
def add(name: str, role: str, accounts: Path, as_json: bool) -> None:
    """Add an account to a file, and print its access key: it is kept nowhere, and shown once."""
    from redact.review.access import add_account

    key = add_account(accounts, name, role)
    if as_json:
        click.echo(json.dumps({"name": name, "role": role, "key": key}))
    else:
        say(f"{name}, {role}. Access key, shown this once:\n  {key}")
