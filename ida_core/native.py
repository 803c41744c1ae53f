"""The compiled core: ``ffi`` and ``lib``, for the packages of this repository only."""

from typing import Any

from ida_core import _core

ffi: Any = _core.ffi
lib: Any = _core.lib
