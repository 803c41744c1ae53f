"""What ``ida`` asks of commands that plugins contribute, one rule each: what ``check_command`` runs. None is run but
for its ``--help``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click
from click.testing import CliRunner

from ida_core.errors import EXIT_DONE
from ida_core.making import place_of
from ida_core.testing.rules import Finding, count, hold, require, table


def check_command(command: click.Command) -> None:
    """Hold a contributed command, or a group of them, to what ``ida`` asks of each.

    Raises:
        AssertionError: names every rule that was broken, and how.
    """
    require(f"command {command.name}", find_command(command))


def find_command(command: Any) -> list[Finding]:
    """Hold a command to every rule."""
    return hold(COMMAND_RULES, command)


def is_a_command_of_click(command: Any) -> str:
    assert isinstance(command, click.Command), f"{command!r} is no click.Command"
    assert command.name, "a command has a name"
    return f"{count(len(list(_leaves(command, command.name))), 'command')}"


def hides_none_of_ida_s_own(command: Any) -> str:
    from ida_core.cli import cli

    assert command.name not in cli.commands, f"ida {command.name} is there already, and would win"
    return ""


def explains_itself(command: Any) -> str:
    for path, leaf in _leaves(command, command.name):
        where = place_of(inspect.unwrap(leaf.callback)) if leaf.callback else path
        assert (leaf.help or "").strip(), f"{where}: ida {path} has no help: give its function a docstring"
        result = CliRunner().invoke(command, [*path.split()[1:], "--help"])
        assert result.exit_code == EXIT_DONE, f"{where}: ida {path} --help ends with {result.exit_code}"
    return ""


def answers_in_json(command: Any) -> str:
    for path, leaf in _leaves(command, command.name):
        options = [word for parameter in leaf.params for word in parameter.opts]
        where = place_of(inspect.unwrap(leaf.callback)) if leaf.callback else path
        assert "--json" in options, f"{where}: ida {path} has no --json"
    return ""


COMMAND_RULES = table(is_a_command_of_click, hides_none_of_ida_s_own, explains_itself, answers_in_json)


def _leaves(command: click.Command, path: str | None) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _leaves(inner, f"{path} {name}")
    else:
        yield str(path), command
