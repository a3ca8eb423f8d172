"""Everything that is said to be fast, measured side by side: ``make bench`` or ``python -m benchmarks [PART …]``.

Each part runs in its own process and prints a table, which becomes a section of results/benchmarks.md with the date,
versions, machine and load; the sections of parts that are not run stay. All together take about an hour; the machine
should have nothing else to do, though ratios of CPU-seconds bear some company.
"""

import os
import re
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version

from benchmarks.measure import ROOT
from il.provenance import cpu

PARTS = {
    "rollouts": "Rollouts against the physics in them and against one gymnasium environment",
    "jobs": "Whole jobs: DAgger as in the homework, against the homework's loop and `imitation`",
    "training": "Training an expert by PPO, against Stable-Baselines3 on its own environments",
    "fits": "Gradient steps, sampling and aggregation",
    "sweeps": "Sweeps and start-up",
    "scaling": "How cost grows",
}
RESULT = ROOT / "results" / "benchmarks.md"


ABOUT = """# Benchmarks

Made by `make bench`. Pairs take turns within one run; ratios are medians of paired repeats, larger is better for us.
One thread each unless named. CPU-seconds are those of the whole process tree.
"""


def facts() -> str:
    """Return what the figures depend on."""
    names = ("torch", "numpy", "gymnasium", "mujoco", "hydra-core", "stable-baselines3")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} absent")
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')} on {len(os.sched_getaffinity(0))} cores of {cpu()}, "
        f"Python {sys.version.split()[0]}, {', '.join(found)}."
    )


def run(part: str, arguments: list[str]) -> str:
    """Run one part and return its section."""
    before, start = os.getloadavg()[0], time.perf_counter()
    print(f"== {part}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{part}", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    print(done.stdout, file=sys.stderr, flush=True)
    text = done.stdout if done.returncode == 0 else f"{done.stdout}\nfailed with exit code {done.returncode}\n"
    took = time.perf_counter() - start
    load = f"load of the machine {before:.1f} before, {os.getloadavg()[0]:.1f} after"
    command = " ".join(["python -m benchmarks", part, *arguments])
    return f"`{command}`, {took:.0f} s, {load}; {facts()}\n\n{text.strip()}\n"


def write(part: str, section: str) -> None:
    """Put a section into the result, in the order of the parts."""
    kept = re.split(r"^## (.*)\n+", RESULT.read_text(), flags=re.M)[1:] if RESULT.exists() else []
    found = {**dict(zip(kept[::2], kept[1::2], strict=True)), PARTS[part]: section}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        "\n".join([ABOUT, *(f"## {title}\n\n{found[title].strip()}\n" for title in PARTS.values() if title in found)])
    )
    print(f"wrote {RESULT}", file=sys.stderr)


def main() -> None:
    """Run the parts that are named, or all, and write each one's result as it comes."""
    flags = sys.argv.index("--repeats") if "--repeats" in sys.argv else len(sys.argv)
    chosen, arguments = sys.argv[1:flags], sys.argv[flags:]
    if unknown := [part for part in chosen if part not in PARTS]:
        sys.exit(f"{unknown[0]}: no such part; there are {', '.join(PARTS)}")
    for part in chosen or PARTS:
        write(part, run(part, arguments))


if __name__ == "__main__":
    main()
