"""Which library trains: Stable-Baselines3, or sbx, its twin in JAX, which is faster where updates are many."""

from importlib.util import find_spec

from il.errors import ConfigError, nearest
from il.training.base import Library
from il.training.sb3 import StableBaselines3
from il.training.sbx import Sbx

OFF_POLICY_BY_SBX = ("sac", "td3", "ddpg")
"""What sbx does here. Its DQN gives all layers the width of the first, has just two, and clips no gradients."""


def choose(library: str, algo: str) -> str:
    """Return which library trains: what is asked for, and for ``auto`` what is installed.

    Raises:
        ConfigError: for a name that is none, or an algorithm that sbx does not do here.
    """
    if library not in ("auto", "sb3", "sbx"):
        raise ConfigError(f"trainer.library={library}{nearest(library, ('auto', 'sb3', 'sbx'))}: auto, sb3 or sbx")
    fits = algo in OFF_POLICY_BY_SBX
    if library == "sbx" and not fits:
        raise ConfigError(f"trainer.library=sbx trains {', '.join(OFF_POLICY_BY_SBX)} here; "
                          f"for trainer.algo={algo} leave it out, or take sb3")  # fmt: skip
    if library == "auto":
        return "sbx" if fits and find_spec("sbx") else "sb3"
    return library


def load(name: str) -> Library:
    """Return a library by the name that `choose` gives.

    Raises:
        ConfigError: saying what to install where it is missing, or why it does not import.
    """
    knobs = "trainer=sb3" if name == "sb3" else f"trainer=sb3 trainer.library={name}"
    if find_spec("stable_baselines3" if name == "sb3" else name) is None:
        raise ConfigError(f"{knobs} needs an extra: pip install 'il[{name}]'")
    try:
        return Sbx() if name == "sbx" else StableBaselines3()
    except (ImportError, AttributeError) as error:  # the latter where versions do not fit each other
        raise ConfigError(f"{knobs}: it is installed, but does not import: {error}") from error
