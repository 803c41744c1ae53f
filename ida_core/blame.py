"""Which line of a plugin raised: an error often comes to light beneath it, in a library or in Ida."""

from __future__ import annotations

import os
import sys
from traceback import FrameSummary, extract_tb


def own_line(error: BaseException, plugin: object) -> FrameSummary:
    """The innermost line of the plugin's own package, or the innermost of all where none of its lines is there."""
    frames = extract_tb(error.__traceback__)
    homes = tuple(_home(kind.__module__) for kind in type(plugin).__mro__ if not _is_ours(kind.__module__))
    return next((frame for frame in reversed(frames) if frame.filename.startswith(homes)), frames[-1])


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("builtins", "ida_core")


def _home(module: str) -> str:
    """The folder of a module's whole package; of a module that stands alone, its file."""
    package = sys.modules.get(module.partition(".")[0])
    file = getattr(package if "." in module else sys.modules.get(module), "__file__", None)
    if file is None:
        file = getattr(sys.modules.get(module), "__file__", None) or "no file"
    is_package = os.path.basename(file) == "__init__.py"
    return os.path.join(os.path.dirname(file), "") if is_package else file
