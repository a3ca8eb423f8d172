"""Recorded episodes as an expert that cannot be asked."""

from pathlib import Path

import numpy as np

from il.demos import formats
from il.demos.trajectory import select
from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.base import Expert, Provenance
from il.experts.checks import check_env, check_sizes, sha256
from il.rollout import Rollout


class DemosExpert(Expert):
    """A data set of any known format; see `il.demos.formats`.

    Args:
        path: file, directory, or ``minari:ID``.
        format: ``npz``, ``course``, ``imitation`` or ``minari``; None looks at the file.
        episodes: use only the first so many; None uses all.
        env: name of the environment where the file's own is missing or misleads; None believes the file.
        spec: the environment of the run.

    Raises:
        ConfigError: when the data are damaged or were recorded elsewhere.
    """

    queryable = False

    def __init__(self, path: str, format: str | None, episodes: int | None, env: str | None, *, spec: EnvSpec):
        demos = formats.read(path, format, spec.horizon)
        rollout = demos.rollout
        made_for = env or demos.env_id
        check_env(made_for, spec, path, f"expert.env={spec.id} if the name misleads")
        if spec.discrete:
            rollout.act, rollout.label = (_whole(values) for values in (rollout.act, rollout.label))
        discrete = rollout.act.ndim == 1
        size = spec.act_dim if discrete else rollout.act.shape[1]
        fix = f"choose env.id={made_for or '…'} and env.kwargs as they were recorded with"
        check_sizes(rollout.obs.shape[1:], (discrete, size), spec.obs_shape, spec, path, fix)
        if discrete and not (rollout.label.min() >= 0 and rollout.label.max() < spec.act_dim):
            raise ConfigError(
                f"{path} has actions up to {rollout.label.max()}, {spec.id} takes 0 to {spec.act_dim - 1}"
            )
        available = len(rollout.seed)
        if episodes is not None and not 1 <= episodes <= available:
            raise ConfigError(f"expert.episodes={episodes}, but {path} holds {available}")
        self._rollout = select(rollout, np.arange(episodes)) if episodes else rollout
        returns = self._rollout.returns
        self.provenance = Provenance(
            demos.source,
            made_for,
            float(returns.mean()),
            float(returns.std()),
            sha256(Path(path)) if Path(path).is_file() else None,
            {"episodes": len(returns), "steps": len(self._rollout)},
        )

    def demonstrations(self) -> Rollout:
        """Return the recorded episodes."""
        return self._rollout


def _whole(act: np.ndarray) -> np.ndarray:
    """Undo formats that store discrete actions as floats."""
    if act.ndim == 2 and act.shape[1] == 1 and np.array_equal(act, np.round(act)):
        return act[:, 0].astype(np.int64)
    return act
