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

#: Headers that serve other C files alone; all others are offered to Python.
INTERNAL = (
    "binance_message", "binance_peek", "chance", "fill", "map", "orders", "pack", "recorded", "stops", "tape", "taker",
)


def cdef(header: Path) -> str:
    """Return the header as cffi reads it: comments and preprocessor lines left out."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.S)
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def headers() -> list[Path]:
    """The headers of all concepts, each after those it includes."""
    ordered: list[Path] = []

    def add(header: Path) -> None:
        for name in re.findall(r'^#include "(\w+\.h)"', header.read_text(encoding="utf-8"), re.M):
            add(CSRC / name)
        if header not in ordered:
            ordered.append(header)

    for header in sorted(CSRC.glob("*.h")):
        add(header)
    return [h for h in ordered if h.stem not in INTERNAL and (h.with_suffix(".c").exists() or h.stem == "record")]


def _use_extension() -> None:
    """Make setuptools build the core as one abi3 extension, without a setup.py."""
    from cffi import FFI
    from setuptools import Distribution, Extension

    ffi = FFI()
    offered = headers()
    for header in offered:
        ffi.cdef(cdef(header))
    ffi.set_source(MODULE, "\n".join(f'#include "{h.name}"' for h in offered))
    glue = CSRC / "_core.c"
    text = glue.read_text(encoding="utf-8") if glue.exists() else None
    ffi.emit_c_code(str(glue))
    if text == glue.read_text(encoding="utf-8"):
        os.utime(glue, (offered[0].stat().st_mtime,) * 2)
    sources = sorted(f"csrc/{p.name}" for p in CSRC.glob("*.c") if p != glue)
    extension = Extension(
        MODULE,
        sources=["csrc/_core.c", *sources],
        include_dirs=["csrc"],
        depends=sorted(f"csrc/{p.name}" for p in CSRC.glob("*.h")),
        define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", "1")],
        extra_compile_args=[
            "-std=c11", "-O3", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fno-strict-aliasing",
            "-fvisibility=hidden", "-ffp-contract=off", "-pthread",
        ],
        extra_link_args=["-pthread", "-ldl"],
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
