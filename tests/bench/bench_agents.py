"""How fast the synthetic market goes: its actions a second, in C alone.

    python tests/bench/bench_agents.py

Needs a C compiler. Each round has another seed; diffs that fall due count as actions.
"""

import subprocess
import tempfile
from pathlib import Path

from measure import tell

ROOT = Path(__file__).resolve().parents[2]
SOURCES = (
    "agents", "tape", "chance", "maths", "match", "ahead", "fill", "map", "orders", "recorded", "stops", "taker",
    "book", "pool", "status",
)
ROUNDS, ACTIONS = 5, 300_000


def compile_program(folder: Path) -> Path:
    program = folder / "agents_steps"
    sources = [str(ROOT / "csrc" / f"{name}.c") for name in SOURCES]
    command = ["cc", "-O3", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT / 'csrc'}"]
    subprocess.run(
        [*command, "-o", str(program), str(Path(__file__).with_name("agents_steps.c")), *sources], check=True)
    return program


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = compile_program(Path(folder))
        found = []
        for seed in range(1, ROUNDS + 1):
            words = [str(program), str(ACTIONS), str(seed)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            found.append([float(word) for word in done.stdout.split()])
    units = (("actions", "M/s", 1e6), ("records", "M/s", 1e6), ("simulated time", "times the clock", 1.0))
    for (what, unit, scale), values in zip(units, zip(*found, strict=True), strict=True):
        tell(f"synthetic market: {what}", unit, [value / scale for value in values])


if __name__ == "__main__":
    main()
