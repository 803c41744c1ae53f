"""How long a person waits: ``ida --version``, ``import ida_core``, ``ida demo``.

    python tests/bench/bench_startup.py
"""

import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from measure import rounds, tell

ROUNDS, DEMO_ROUNDS = 15, 5
IDA = Path(sys.executable).with_name("ida")


def run(*command: str | Path) -> float:
    """Seconds of a whole process; its caches of byte code are warm after the first."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        began = time.perf_counter()
        done = subprocess.run([*command], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    return took


def main() -> None:
    python = partial(run, sys.executable, "-c")
    run(IDA, "--version")
    tell("ida --version", "s", rounds(partial(run, IDA, "--version"), ROUNDS), key="version")
    tell("python -c pass, for comparison", "s", rounds(partial(python, "pass"), ROUNDS))
    tell("import ida_core", "s", rounds(partial(python, "import ida_core"), ROUNDS))
    everything = "from ida_core import *; import ida_core.native"
    tell("import all public names and the C core", "s", rounds(partial(python, everything), ROUNDS))
    tell("ida plugins", "s", rounds(partial(run, IDA, "plugins"), ROUNDS))
    tell("ida demo", "s", rounds(partial(run, IDA, "demo"), DEMO_ROUNDS), key="demo")


if __name__ == "__main__":
    main()
