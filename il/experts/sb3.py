"""Agents of Stable-Baselines3: zips of any age, with or without the library."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts import sb3_folder, sb3_nets, sb3_reader
from il.experts.base import Expert, Provenance
from il.experts.checks import check_env, sha256

log = logging.getLogger(__name__)


class Sb3Expert(Expert):
    """An agent saved by PPO, A2C, TRPO, SAC, TQC, TD3, DDPG or DQN.

    A plain MLP is rebuilt from the zip's tensors, and nothing of it is unpickled. Any other policy is left to the
    library, which runs code from the zip, and only when `trusted`.

    Args:
        path: the zip.
        algo: the algorithm; None reads it from the zip.
        trusted: whether code from the zip may run.
        stats: ``auto`` looks for VecNormalize's statistics beside the zip and insists on them where the settings say
            that observations were normalised; ``none`` gives raw observations; else the file.
        env: name of the environment where that of the folder is missing or misleads; None believes the folder.
        spec: the environment of the run; its `expert_obs_shape` and actions must be the agent's.

    Raises:
        ConfigError: damaged file, wrong algorithm or environment, missing statistics, or a policy that cannot be
            rebuilt although the zip is not trusted.
    """

    def __init__(self, path: str, algo: str | None, trusted: bool, stats: str, env: str | None, *, spec: EnvSpec):
        file = Path(path).expanduser()
        archive = sb3_reader.read(file)
        folder = sb3_folder.look(archive)
        self.algorithm = sb3_reader.algorithm(archive, algo, folder.algo)
        made_for = env or folder.env_id
        check_env(made_for, spec, path, f"expert.env={spec.id} if the name misleads")
        options = ", ".join(f"{k}={v}" for k, v in folder.wrappers.items())
        sb3_reader.check_spaces(archive, spec, f"{path} (trained with {options})" if options else path)
        self.spec = spec
        self._low = np.zeros(1) if spec.low is None else spec.low
        self._range = np.ones(1) if spec.high is None else spec.high - self._low
        shape = archive.space("observation_space").shape
        self._transpose = shape != spec.expert_obs_shape
        self._stats = _statistics(archive, folder, stats, shape)
        self._nets, runs_code = _networks(archive, trusted)
        self._try_out(path)
        self.can = frozenset(n for n, f in [("q", self._nets.q), ("value", self._nets.value)] if f is not None)
        normalizer = "raw observations" if self._stats is None else "observations normalised"
        self.provenance = Provenance(
            f"Stable-Baselines3 {self.algorithm} {path} ({normalizer})",
            made_for,
            folder.score[0] if folder.score else None,
            folder.score[1] if folder.score else None,
            sha256(file),
            {
                "algo": self.algorithm,
                "gamma": archive.data.get("gamma"),
                "saved_by": archive.saved_by,
                "runs_code": runs_code,
                "normalized": self._stats is not None,
            },
        )

    def _try_out(self, path: str) -> None:
        try:
            out = self.act(np.zeros((2, *self.spec.expert_obs_shape), np.float32))
        except RuntimeError as error:
            raise ConfigError(f"{path}: its layers do not fit together ({str(error).splitlines()[0]})") from None
        if out.shape != (2, *self.spec.act_shape) or not np.isfinite(out).all():
            raise ConfigError(f"{path}: its policy answers with shape {out.shape} or with values that are not finite")

    @torch.no_grad()
    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`."""
        out = self._nets.act(self._observe(obs)).numpy()
        if self.spec.discrete:
            return out.astype(np.int64)
        return (self._low + 0.5 * (out + 1) * self._range).astype(np.float32) if self._nets.squashed else out

    @torch.no_grad()
    def q(self, obs: np.ndarray, act: np.ndarray | None) -> np.ndarray:
        """See `Expert.q`; the smallest of the critics, on the reward's own scale (SAC's and TQC's are soft)."""
        if self._nets.q is None:
            raise NotImplementedError(f"{self.algorithm} learns no Q")
        if act is not None and not self.spec.discrete:
            act = 2 * np.clip((act - self._low) / self._range, 0, 1) - 1
        chosen = None if act is None else torch.as_tensor(act)
        return self._in_reward_units(self._nets.q(self._observe(obs), chosen))

    @torch.no_grad()
    def value(self, obs: np.ndarray) -> np.ndarray:
        """See `Expert.value`."""
        if self._nets.value is None:
            raise NotImplementedError(f"{self.algorithm} learns no value")
        return self._in_reward_units(self._nets.value(self._observe(obs)))

    def _observe(self, obs: np.ndarray) -> torch.Tensor:
        if self._transpose:
            obs = np.moveaxis(obs, -1, 1)
        return torch.as_tensor(obs if self._stats is None else self._stats.normalize(obs), dtype=torch.float32)

    def _in_reward_units(self, out: torch.Tensor) -> np.ndarray:
        return out.numpy() * np.float32(1.0 if self._stats is None else self._stats.reward_scale)


def _statistics(
    archive: sb3_reader.Archive, folder: sb3_folder.Folder, asked: str, shape: tuple[int, ...]
) -> sb3_folder.Statistics | None:
    if asked == "none":
        return None
    if asked != "auto":
        return sb3_folder.statistics(Path(asked).expanduser(), shape)
    if folder.stats is not None:
        return sb3_folder.statistics(folder.stats, shape)
    if folder.normalized:
        raise ConfigError(
            f"{archive.path} was trained on normalised observations, but {sb3_folder.FILES[0]} is not beside it; "
            "put it there or set expert.stats=FILE (expert.stats=none if it never was)"
        )
    return None


def _networks(archive: sb3_reader.Archive, trusted: bool) -> tuple[sb3_nets.Networks, bool]:
    """Return the policy, and whether code from the zip ran."""
    try:
        return sb3_nets.rebuild(archive), False
    except sb3_nets.CannotRebuildError as reason:
        if not trusted:
            raise ConfigError(
                f"{archive.path} cannot be rebuilt from its tensors: {reason}; set expert.trusted=true if you trust "
                "its author, since loading it runs code from the zip"
            ) from None
        log.warning("%s is not a plain MLP (%s): loading it runs code from the zip", archive.path, reason)
    return sb3_nets.load_library(archive), True
