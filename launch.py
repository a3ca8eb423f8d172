"""Run an imitation-learning experiment: ``python launch.py algo=dagger env=ant -m seed=1,2,3``."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is imported
    os.environ.setdefault(name, "1")
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
os.environ.setdefault("IL_ROOT", str(ROOT))
os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # errors reach us whole; we say them in one line

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from il.command_line import check_groups, help_text, keys_anywhere, name_outputs, one_line, overrides_first, refuse
from il.config import build, register
from il.errors import ConfigError, EpisodeError

register()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float | None:
    """Build what the configuration describes, run it, return the objective."""
    from il.start import resumed

    try:
        result: float | None = build((cfg := resumed(cfg)).trainer, "trainer")(cfg).run()
    except ConfigError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        sys.exit(refuse(error))  # past Hydra, which would announce it first
    return result


def launch(argv: list[str]) -> int:
    """Run the command line; return the exit code."""
    if {"-h", "--help"} & set(argv):
        print(help_text(ROOT))
        return 0
    arguments = overrides_first(argv)
    try:
        check_groups(ROOT, arguments)
        name_outputs(arguments)
        sys.argv[1:] = [f"hydra.searchpath=[file://{ROOT}]", *keys_anywhere(arguments)]
        main()
    except (ConfigError, EpisodeError, HydraException, OmegaConfBaseException) as error:
        return refuse(one_line(error, ROOT, arguments))
    return 0


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
