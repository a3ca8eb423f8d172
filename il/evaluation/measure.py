"""The figures of `il eval`."""

from collections.abc import Callable
from typing import Any

import numpy as np

from il.actors import Actor, ExpertActor, RandomActor, View
from il.envs.base import EnvSpec, VectorEnv
from il.envs.noise import NoisyEnv
from il.evaluate import normalized
from il.evaluation.loading import Loaded
from il.evaluation.options import Options
from il.experts.base import Expert
from il.play import Step, Stream, episode_of, play
from il.randomness import Purpose


def evaluate_run(run: Loaded, actors: dict[str, Actor], options: Options) -> list[dict[str, Any]]:
    """Measure the outputs under every noise, and the expert and a random policy without any.

    Returns:
        Rows: output, obs_noise, act_noise, return_{mean,std,median,min,max}, length_mean, normalized, disagreement
        (mean over steps) and disagreement_sum (mean over episodes), returns. The learner's own states count.
    """
    judge = run.expert if run.expert.queryable else None
    rows = [_row("random", _measure(run.env, RandomActor(run.env.spec), None, options))]
    if judge is not None:
        rows.append(_row("expert", _measure(run.env, ExpertActor(judge), None, options)))
    scale = np.zeros(run.env.spec.obs_shape)
    for name, actor in actors.items():
        for obs_noise in options.obs_noise:
            for act_noise in options.act_noise:
                env = run.env
                if obs_noise or act_noise:
                    scale = _spread(run.env, actor, options) if obs_noise else scale
                    env = NoisyEnv(run.env, obs_noise * scale, act_noise)
                rows.append(_row(name, _measure(env, actor, judge, options), obs_noise, act_noise))
    known = {row["output"]: row["return_mean"] for row in rows[:2]}
    for row in rows:
        row["normalized"] = normalized(row["return_mean"], known["random"], known.get("expert", np.nan))
    return [{k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()} for row in rows]


def _row(name: str, measured: dict[str, Any], obs_noise: float = 0.0, act_noise: float = 0.0) -> dict[str, Any]:
    return {"output": name, "obs_noise": obs_noise, "act_noise": act_noise, **measured}


def _measure(env: VectorEnv, actor: Actor, judge: Expert | None, options: Options) -> dict[str, Any]:
    """Play the episodes; ask the judge what it would have done in every state."""
    returns, lengths, costs = np.zeros(options.episodes), np.zeros(options.episodes), np.zeros(options.episodes)
    asked: list[np.ndarray] = []

    def ask(view: View, t: np.ndarray) -> None:
        assert judge is not None, "called only with a judge"
        obs = view.expert_obs
        asked[:] = [judge.act(obs, view.moment(t)) if judge.needs_snapshot else judge.act_at(obs, t)]

    def on_step(step: Step, view: View) -> None:
        returns[step.index] += step.reward
        lengths[step.index] += 1
        if judge is not None:
            costs[step.index] += disagreement(env.spec, step.act, asked[0])

    _play(env, actor, options, on_step, ask if judge is not None else None)
    out: dict[str, Any] = {f"return_{k}": float(getattr(np, k)(returns)) for k in ("mean", "median", "min", "max")}
    out["return_std"] = float(returns.std(ddof=1)) if len(returns) > 1 else None
    out["length_mean"] = float(lengths.mean())
    out["disagreement"] = float(costs.sum() / lengths.sum()) if judge is not None else None
    out["disagreement_sum"] = float(costs.mean()) if judge is not None else None
    return {**out, "returns": returns.tolist()}


def disagreement(spec: EnvSpec, act: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the cost of each action beside the expert's, [m].

    Discrete: 1 where they differ. Continuous: mean squared difference over the action's dimensions, of the actions as
    the environment takes them (clipped).
    """
    if spec.discrete:
        return (act != label).astype(float)
    a, b = (np.clip(x, spec.low, spec.high) for x in (act, label))
    return ((a - b) ** 2).mean(-1)


def _spread(env: VectorEnv, actor: Actor, options: Options) -> np.ndarray:
    """Return the standard deviation of every observation along the episodes."""
    total, squares = np.zeros(env.spec.obs_shape), np.zeros(env.spec.obs_shape)
    count = 0

    def on_step(step: Step, view: View) -> None:
        nonlocal count
        obs = step.obs.astype(np.float64)
        total[...] += obs.sum(0)
        squares[...] += (obs**2).sum(0)
        count += len(obs)

    _play(env, actor, options, on_step, None)
    return np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))


def _play(
    env: VectorEnv,
    actor: Actor,
    options: Options,
    on_step: Callable[[Step, View], None],
    before_step: Callable[[View, np.ndarray], None] | None,
) -> None:
    stream = Stream(
        actor,
        lambda k: episode_of(options.seed, Purpose.TEST, 0, k, env.spec.horizon),
        lambda finished, steps: options.episodes - finished,
        on_step,
        before_step=before_step,
    )
    play(env, stream)
