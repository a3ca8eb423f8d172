"""Our side of a job: ``python -m benchmarks.ours OVERRIDE…`` runs launch.py and says what `Trainer.train` took.

The loop counted holds everything from the first round to the end of the run: collection, fits, evaluation, records,
checkpoints and the final figures. What surrounds it (imports, configuration, the expert's measurement) is in the cost
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

    train, said = Trainer.train, {}

    def timed(self: Trainer) -> float:
        wall, cpu = time.perf_counter(), time.process_time()
        objective = train(self)
        said.update(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
        said["return"] = self.run.summary()["test/last/return_mean"]
        return objective

    Trainer.train = timed  # type: ignore[method-assign]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        if ended.code:
            raise
    print(json.dumps(said))


if __name__ == "__main__":
    main()
