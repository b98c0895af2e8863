"""The command line. A command parses, calls one function, prints; results go to stdout."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from redact.errors import AdmissionError, RedactError, printable
from redact.version import __version__

JSON = "redact.json"
"""Where a context keeps whether --json was given."""


def say(text: str, *, err: bool = False) -> None:
    """Lines for people, without what a terminal would obey or could not show."""
    click.echo("\n".join(printable(line) for line in text.split("\n")), err=err)


def of_error(error: RedactError) -> dict[str, Any]:
    """An error for machines."""
    value: dict[str, Any] = {
        "reason": str(error.reason),
        "error": error.what,
        "means": error.means,
        "todo": error.todo,
        "exit_code": error.exit_code,
    }
    if isinstance(error, AdmissionError) and error.refusals:
        value["refusals"] = [str(one) for one in error.refusals]
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Results as JSON on stdout.")

MODULES = {
    "bench": "bench",
    **dict.fromkeys(("run", "plan", "apply"), "clips"),
    "admit": "admit",
    "check": "check",
    "evaluate": "evaluate",
    "ledger": "export",  # which, like withdraw.py, adds its command to those in ledger.py
    **dict.fromkeys(("models", "doctor"), "models"),
    **dict.fromkeys(("review", "account"), "review"),
}
"""The module of each command, imported when it is asked for: who audits a ledger has no models."""


class Commands(click.Group):
    """Turns a RedactError into one clear message on stderr and its exit code."""

    def list_commands(self, context: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(MODULES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in MODULES:
            import_module(f"redact.cli.{MODULES[name]}")
        return super().get_command(context, name)

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        context.meta[JSON] = "--json" in args
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # a terminal that can't show "×" is no error
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(context)
        except RedactError as error:
            say(f"redact: {error}", err=True)
            if context.meta[JSON]:
                click.echo(json.dumps(of_error(error)))
            context.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("redact: stopped. What was published is whole and recorded.", err=True)
            context.exit(130)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="redact")
def main() -> None:
    """
    Remove faces, licence plates and spoken names from footage, and prove that it was done.

    Exit codes: 0 everything done and logged; 2 wrong use; 3 unreadable media; 4 a detector or
    model failed; 5 the store or ledger could not be written; 6 the ledger does not match;
    7 something can still be seen or heard; 8 may not be used (withdrawn, or not allowed for the
    purpose); 1 clips were held for several of these.
    """
