"""The command line. A command parses, calls one function, prints; results go to stdout."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from redact.errors import RedactError
from redact.version import __version__


class Commands(click.Group):
    """Turns a RedactError into one clear message on stderr and its exit code."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except RedactError as error:
            click.echo(f"redact: {error}", err=True)
            if "--json" in sys.argv:
                click.echo(json.dumps({"error": error.what, "reason": str(error.reason)}))
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("redact: stopped. What was published is whole and recorded.", err=True)
            context.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="redact")
def main() -> None:
    """
    Remove faces and spoken names from footage, and prove that it was done.

    Exit codes: 0 everything done and logged; 2 wrong use; 3 unreadable media; 4 a detector or
    model failed; 5 the store or ledger could not be written; 6 the ledger does not match;
    7 something can still be seen or heard; 1 clips failed in several ways.
    """


from redact.cli import clips, ledger, models  # noqa: E402  # they register their commands

__all__ = ["clips", "ledger", "main", "models"]
