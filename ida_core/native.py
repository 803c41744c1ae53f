"""The compiled core: ``ffi`` and ``lib``, for the packages of this repository only."""

from importlib import import_module
from typing import Any

_core: Any = import_module("ida_core._core")

ffi: Any = _core.ffi
lib: Any = _core.lib
