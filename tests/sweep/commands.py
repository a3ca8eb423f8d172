"""The stand-in application and `il sweep`, run as a user would."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from il.sweep.commands import main
from il.sweep.record import Sweep
from il.sweep.status import rows

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "app" / "app.py"


class Commands:
    """Runs the stand-in application and `il sweep` as a user would, from a folder of their own."""

    knobs = ("hydra.launcher.preload=[]",)

    def __init__(self, cwd):
        self.cwd = cwd
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "IL_ROOT": str(ROOT)}

    def start(self, *arguments, script=APP):
        if script == APP:
            arguments = [*self.knobs, *arguments]
        return subprocess.Popen(
            [sys.executable, str(script), *arguments],
            cwd=self.cwd,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments, code=0, script=APP):
        process = self.start(*arguments, script=script)
        output = process.communicate(timeout=300)[0]
        assert process.returncode == code, f"code {process.returncode}\n{output}"
        return output

    def sweep(self, *overrides, dir="out", code=0):
        return self.run(f"hydra.sweep.dir='{dir}'", *overrides, "-m", code=code)

    def resume(self, dir="out", *options, code=0):
        program = (
            "import sys; from il.errors import ConfigError; from il.sweep.commands import main\n"
            "try: main(sys.argv[1:])\nexcept ConfigError as error: sys.exit(str(error))"
        )
        return self.run(program, "resume", dir, *options, code=code, script="-c")

    def table(self, command, dir="out"):
        with redirect_stdout(io.StringIO()) as output:
            main([command, str(self.cwd / dir)])
        return output.getvalue()

    def rows(self, dir="out"):
        return {row.name: row for row in rows(Sweep.open(self.cwd / dir))}

    def metrics(self, name, dir="out"):
        return (self.cwd / dir / name / "metrics.jsonl").read_bytes()

    def json(self, name, dir="out"):
        return json.loads((self.cwd / dir / name).read_text())
