"""The build backend: writes the cffi glue from the headers, then hands over to setuptools.

The headers are the cdef: the lines that begin with ``#`` are dropped, nothing else is said twice.
"""

import os
import re
import sys
from pathlib import Path

from setuptools import build_meta as _setuptools

CSRC = Path(__file__).resolve().parent
MODULE = "ida_core._core"

#: In the order in which they need each other.
CONCEPTS = (
    "status", "crc", "decimal", "record", "pool", "queue", "thread", "gate", "book", "book_text", "sync", "market",
    "match", "agents", "feed", "segment", "journal", "reader", "timeline", "log", "binance_json",
)


def cdef(header: Path) -> str:
    """Return the header as cffi reads it: comments and preprocessor lines left out."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def _use_extension() -> None:
    """Make setuptools build the core as one abi3 extension, without a setup.py."""
    from cffi import FFI
    from setuptools import Distribution, Extension

    ffi = FFI()
    headers = [CSRC / f"{name}.h" for name in CONCEPTS if (CSRC / f"{name}.c").exists() or name == "record"]
    for header in headers:
        ffi.cdef(cdef(header))
    ffi.set_source(MODULE, "\n".join(f'#include "{h.name}"' for h in headers))
    glue = CSRC / "_core.c"
    text = glue.read_text(encoding="utf-8") if glue.exists() else None
    ffi.emit_c_code(str(glue))
    if text == glue.read_text(encoding="utf-8"):
        os.utime(glue, (headers[0].stat().st_mtime,) * 2)
    sources = [str(h.with_suffix(".c").relative_to(CSRC.parent)) for h in headers if h.with_suffix(".c").exists()]
    extension = Extension(
        MODULE,
        sources=["csrc/_core.c", *sources],
        include_dirs=["csrc"],
        depends=[str(p.relative_to(CSRC.parent)) for p in headers],
        define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", "1")],
        extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-strict-aliasing", "-pthread"],
        extra_link_args=["-pthread"],
        py_limited_api=True,
    )
    plain_init = Distribution.__init__

    def init(self: Distribution, attrs: dict | None = None) -> None:
        plain_init(self, attrs)
        self.ext_modules = [extension]
        self.command_options.setdefault("bdist_wheel", {})["py_limited_api"] = ("backend", "cp311")

    Distribution.__init__ = init


def _wrap(name: str):
    hook = getattr(_setuptools, name)

    def call(*args, **kwargs):
        _use_extension()
        return hook(*args, **kwargs)

    return call


build_wheel = _wrap("build_wheel")
build_editable = _wrap("build_editable")
build_sdist = _setuptools.build_sdist
get_requires_for_build_wheel = _setuptools.get_requires_for_build_wheel
get_requires_for_build_editable = _setuptools.get_requires_for_build_editable
get_requires_for_build_sdist = _setuptools.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = _setuptools.prepare_metadata_for_build_wheel
prepare_metadata_for_build_editable = _setuptools.prepare_metadata_for_build_editable


if __name__ == "__main__":
    sys.exit("csrc/backend.py is a build backend: run pip install . instead")
