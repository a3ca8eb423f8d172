"""``python -m results``: every table of this folder, one after the other; finished runs are not run again."""

import subprocess
import sys

SCRIPTS = ("course", "switching", "aggrevated", "planners", "critics")

if __name__ == "__main__":
    codes = [subprocess.run([sys.executable, "-m", f"results.{name}", *sys.argv[1:]], check=False) for name in SCRIPTS]
    sys.exit(max(done.returncode for done in codes))
