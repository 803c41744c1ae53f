"""What is installed: the versions that a bug report needs."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from typing import Any

from ida_core import __version__
from ida_core.native import ffi, lib


def facts() -> dict[str, Any]:
    """Versions by name, and whether the C core was built with optimisation."""
    return {
        "ida": __version__,
        "core": ffi.string(lib.ida_build_compiler()).decode(),
        "core_optimised": bool(lib.ida_build_optimised()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "trio": version("trio"),
        "platform": f"{sys.platform} {platform.machine()}",
    }


def text() -> str:
    """The same in one paragraph, for ``ida --version``."""
    known = facts()
    build = "optimised" if known["core_optimised"] else "NOT optimised: expect a slow core"
    return (
        f"ida {known['ida']}\n"
        f"C core: {known['core']}, {build}\n"
        f"{known['python']}, Trio {known['trio']}, {known['platform']}"
    )
