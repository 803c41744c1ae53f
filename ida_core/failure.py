"""Where every command's failure ends: one line, its problems, a hint, the exit code. No traceback.

With ``--json`` a document stands on stdout as well. A traceback is shown with ``--traceback`` or
``IDA_TRACEBACK=1``; that of a bug is always kept in a file.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import click

from ida_core.errors import EXIT_DONE, EXIT_INTERRUPTED, IdaError, OutputError, UsageError, sole

#: Why a file cannot be written that has nothing to do with who writes it.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def guard(command: Callable[[], Any], words: Sequence[str]) -> int:
    """Run ``command`` and return the exit code; ``words`` are the command line's arguments."""
    try:
        result = command()
        sys.stdout.flush()
    except BrokenPipeError:
        return leave_pipe()
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except SystemExit:  # a command says its exit code
        raise
    except BaseException as error:  # a plugin may raise what is no Exception: a panic of a library in Rust is one
        return _report(sole(error), words)
    return result if type(result) is int else EXIT_DONE


def leave_pipe() -> int:
    """Nobody reads any more. Python would complain again when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_DONE


def _report(error: BaseException, words: Sequence[str]) -> int:
    ours, hint = _as_ours(error)
    if "--traceback" in words or os.environ.get("IDA_TRACEBACK", "") not in ("", "0"):
        traceback.print_exception(error)
    if "--json" in words:
        click.echo(json.dumps(document(ours), indent=2))
    tell(f"{ours.code}: {ours}", ours.code, ours.problems, hint)
    return ours.exit_code


def tell(text: str, code: str, problems: Sequence[str] = (), hint: str = "") -> None:
    """Say on stderr what went wrong; ``text`` begins with the code."""
    click.echo(f"{_red('error')} {_tame(text)}", err=True)
    for problem in problems:
        click.echo(f"  {_tame(problem)}", err=True)
    click.echo(f"hint: {hint or f'ida explain {code}'}", err=True)


def _tame(text: str) -> str:
    """What others said may be part of it, and is not to move the cursor or paint the screen: ``\\x1b`` is written out.

    >>> _tame("HTTP 400: \\x1b[2J") == r"HTTP 400: \\x1b[2J"
    True
    """
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def document(error: IdaError) -> dict[str, Any]:
    """The ``--json`` document of an error."""
    problems = list(error.problems)
    inner = {"code": error.code, "message": str(error), "problems": problems}
    return {"schema": 1, "error": inner}


def _as_ours(error: BaseException) -> tuple[IdaError, str]:
    """Any exception as an ``IdaError``, and a better hint than its code where there is one."""
    if isinstance(error, IdaError):
        return error, ""
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "ida"
        return UsageError(error.format_message()), f"{path} --help"
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message()), ""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        where = f"{error.filename}: " if error.filename else ""
        return OutputError(f"{where}cannot be written: {os.strerror(error.errno)}"), ""
    return _bug(error), ""


def _bug(error: BaseException) -> IdaError:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return IdaError(f"{what}{_kept(error)}")


def _kept(error: BaseException) -> str:
    """Keep the traceback in a file, so that a rare failure need not be provoked again."""
    text = "".join(traceback.format_exception(error))
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="ida-bug-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
    except OSError:
        return "; its traceback is shown with --traceback"
    return f"; its traceback is in {file.name}"


def _red(text: str) -> str:
    plain = "NO_COLOR" in os.environ or not sys.stderr.isatty()
    return text if plain else click.style(text, fg="red", bold=True)

