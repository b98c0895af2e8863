"""The README says what is so: its commands exist, its code compiles, its policy loads."""

import ast
import re
from pathlib import Path

import click
import pytest

import redact
from redact.cli import main
from redact.policy import Policy

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def commands(group=main, before=("redact",)):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield (*before, name), command


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=lambda value: str(value))
def test_every_command_has_help_and_stands_in_the_readme(words, command):
    assert command.help
    group, name = " ".join(words[:-1]), words[-1]
    assert f"`{' '.join(words)}" in README or re.search(rf"`{group} .*`{name}`", README)


def test_every_command_has_json():
    without = {("redact", "models", "pull")}
    for words, command in commands():
        options = {name for option in command.params for name in option.opts}
        assert "--json" in options or words in without, words


def test_the_readme_names_no_command_that_is_not_there():
    known = {words[:length] for words, _ in commands() for length in (2, 3, 4)}
    for line in re.findall(r"`redact ([a-z]+)(?: ([a-z]+)\b)?", README):
        assert ("redact", *filter(None, line)) in known or ("redact", line[0]) in known, line


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_the_readmes_code_uses_public_names_only(block):
    names = {
        node.attr
        for node in ast.walk(ast.parse(block))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "redact"
    }
    assert names <= set(redact.__all__)


def test_the_readmes_policy_loads_and_is_the_default_but_for_its_name(tmp_path):
    (block,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "ours.toml").write_text(block)
    assert Policy.load(tmp_path / "ours.toml") == Policy(name="ours")


def test_every_link_in_the_readme_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_exit_code_stands_in_the_readme():
    from redact import errors

    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.RedactError):
            assert f"{kind.exit_code} " in README
