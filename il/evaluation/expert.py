"""What a finished run trained, as the expert of another run: ``expert=run expert.path=outputs/…``."""

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from il.actors import Episode, PolicyActor, View
from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.evaluation.loading import Loaded, load
from il.experts.base import Expert, Provenance
from il.experts.checks import check_env, check_sizes, sha256
from il.experts.neutral import TRAINED, MLPExpert, read

BATCH = 1024
"""Rows that a mixture answers about at once."""


def trained(path: str, output: str | None, env: str | None, *, spec: EnvSpec) -> Expert:
    """Return what a run trained: a learner's policies, or the expert that `trainer=sb3` made.

    Args:
        path: the run's directory.
        output: which of its outputs, as `il eval` names them; None takes the best, or the last where none is.
        env: the environment it was trained on, where its name misleads; None believes the run.
        spec: the environment of the new run.

    Raises:
        ConfigError: for a directory without a finished run, an output that it does not have, or another environment.
    """
    run = Path(path).expanduser()
    info = _finished(run)
    facts = {"run": str(run), "config_hash": info["config_hash"], "git": info["git"], "checkpoint": _latest(run)}
    made: Expert
    if (run / f"{TRAINED}.safetensors").exists():
        if output not in (None, "best"):
            raise ConfigError(f"expert.output={output}: {run} trained an expert and kept its best only; leave it out")
        arrays, card = read(run / TRAINED)
        _check_env(env or card.get("env_id"), spec, path)
        made = MLPExpert(spec, arrays, card, f"the expert trained in {path}")
        made.provenance = replace(made.provenance, extra={**card, **facts})
        return made
    loaded = load(run, ["device=cpu"])
    made_for = env or loaded.env.spec.id
    _check_env(made_for, spec, path)
    _check_spaces(loaded.env.spec, spec, path)
    name = _output(loaded, output)
    summary = json.loads((run / "summary.json").read_text())
    provenance = Provenance(
        f"{name} of {path} ({type(loaded.algo).__name__} on {loaded.env.spec.id})",
        made_for,
        summary.get(f"test/{name}/return_mean"),
        summary.get(f"test/{name}/return_std"),
        sha256(run / "checkpoints" / facts["checkpoint"] / "tensors.safetensors"),
        {**facts, "output": name},
    )
    return RunExpert(loaded, name, provenance, spec)


class RunExpert(Expert):
    """An output of a run.

    A single policy answers about single states. A mixture drives whole episodes as it was trained to; asked about a
    state by itself, it answers as if that were step t of an episode of its own, whose draws follow from the state:
    so each part is asked as often as it would act at such a step, and the same question has the same answer.

    Args:
        run: the run it comes from.
        output: its name; its deterministic actions count.
        provenance: what is recorded about it.
        spec: the environment of the new run.
    """

    def __init__(self, run: Loaded, output: str, provenance: Provenance, spec: EnvSpec):
        self.provenance, self.spec, self._env = provenance, spec, run.env
        self._actor = run.algo.outputs(sample=False)[output]
        if not isinstance(self._actor, PolicyActor):
            self.driver = run.algo.outputs(sample=False)[output]  # with draws of its own: questions change the other's

    def act(self, obs: np.ndarray, snapshot: Any = None) -> np.ndarray:
        """See `Expert.act`; a mixture answers as at the start of an episode."""
        return self.act_at(obs, np.zeros(len(obs), np.int64))

    def act_at(self, obs: np.ndarray, t: np.ndarray) -> np.ndarray:
        """See `Expert.act_at`."""
        if isinstance(self._actor, PolicyActor):
            return self._actor.policy.act(obs, None)
        starts = range(0, len(obs), BATCH)
        return np.concatenate([self._ask(obs[k : k + BATCH], t[k : k + BATCH]) for k in starts])

    def _ask(self, obs: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Pretend that each row is a slot in an episode of its own."""
        slots, horizon = np.arange(len(obs)), self.spec.horizon
        seeds = [zlib.crc32(row.tobytes()) for row in obs]
        episodes = [Episode(k, s, np.random.default_rng(s), horizon) for k, s in enumerate(seeds)]
        self._actor.reset(slots.tolist(), episodes)
        return self._actor.act(View(self._env, slots, obs), t)[0]


def _finished(run: Path) -> dict[str, Any]:
    """Return the run.json of a finished run.

    Raises:
        ConfigError: for anything else.
    """
    if not (run / "run.json").exists():
        beside = [p.name for p in run.parent.glob("*/") if (p / "run.json").exists()] if run.parent.is_dir() else []
        what = "holds no run" if run.exists() else "does not exist"
        raise ConfigError(f"expert.path={run} {what}{nearest(run.name, beside)}; name the directory of a finished run")
    info: dict[str, Any] = json.loads((run / "run.json").read_text())
    if info.get("status") != "ok" or not (run / "summary.json").exists():
        raise ConfigError(f"expert.path={run} is a run that is {info.get('status')}, not finished: "
                          f"python launch.py resume={run} goes on with it")  # fmt: skip
    return info


def _latest(run: Path) -> str:
    return (run / "checkpoints" / "latest").read_text()


def _output(run: Loaded, name: str | None) -> str:
    """Return the output's name, which exists."""
    outputs = run.algo.outputs(sample=False)
    name = name or ("best" if "best" in outputs else next(iter(outputs)))
    if name not in outputs:
        raise ConfigError(
            f"expert.output={name}: {run.path} has no such output{nearest(name, outputs)}; it has {', '.join(outputs)}"
        )
    return name


def _check_env(made_for: str | None, spec: EnvSpec, path: str) -> None:
    check_env(made_for, spec, path, f"expert.env={spec.id} if the name misleads")


def _check_spaces(theirs: EnvSpec, spec: EnvSpec, path: str) -> None:
    """Refuse a run whose learner saw or did something else.

    Raises:
        ConfigError: naming both sides.
    """
    fix = "choose env.id and env.kwargs as it was trained with, or show it a part with env.expert_view=[start,stop]"
    check_sizes(theirs.obs_shape, (theirs.discrete, theirs.act_dim), spec.expert_obs_shape, spec, path, fix)
    for side, mine, here in (("low", theirs.low, spec.low), ("high", theirs.high, spec.high)):
        if mine is not None and here is not None and not np.allclose(mine, here):
            raise ConfigError(f"{path} was trained with actions whose {side} is {mine.tolist()}, {spec.id} has "
                              f"{here.tolist()}: choose the environment it was trained on")  # fmt: skip
