"""Our side of a job: ``python -m benchmarks.ours OVERRIDE…`` runs launch.py and says what the rounds took.

The loop counted is that of the rounds: collection, fits, evaluation, every record and checkpoint. What surrounds it
(imports, configuration, the expert's measurement before, the final figures on separate episodes after) is in the cost
of the process.
"""

import json
import runpy
import sys
import time

from benchmarks.measure import ROOT


def main() -> None:
    """Run the job and print its costs as JSON."""
    sys.argv = [str(ROOT / "launch.py"), *sys.argv[1:]]
    from il.trainer import Trainer

    play_round, said = Trainer._play_round, {"wall": 0.0, "cpu": 0.0, "return": 0.0}

    def timed(self: Trainer) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        play_round(self)
        said["wall"] += time.perf_counter() - wall
        said["cpu"] += time.process_time() - cpu
        said["return"] = self.run.rows()[-1]["eval/return_mean"]

    Trainer._play_round = timed  # type: ignore[method-assign]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
    print(json.dumps(said))


if __name__ == "__main__":
    main()
