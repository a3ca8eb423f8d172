"""What a data set holds, in a few lines."""

import warnings

import numpy as np

from il.demos.formats import Demonstrations
from il.rollout import Rollout

Bounds = tuple[np.ndarray, np.ndarray]


def bounds_of(env_id: str | None) -> Bounds | None:
    """Return the action bounds of an environment that gymnasium can make; None without such, or when discrete."""
    import gymnasium
    from gymnasium import spaces

    if env_id not in gymnasium.registry:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older versions of an environment are what old data come from
        try:
            env = gymnasium.make(env_id, disable_env_checker=True)
        except gymnasium.error.Error:  # its simulator is not installed
            return None
    space = env.action_space
    env.close()
    return (space.low, space.high) if isinstance(space, spaces.Box) else None


def lines(demos: Demonstrations, bounds: Bounds | None) -> list[str]:
    """Describe demonstrations.

    Args:
        demos: the data; they are finite, since readers refuse others.
        bounds: lower and upper bounds of actions, [act_dim] each, where known.
    """
    data = demos.rollout
    ends = {name: int(getattr(data, name).sum()) for name in ("terminated", "truncated", "cut")}
    ending = ", ".join(f"{count} {name}" for name, count in ends.items())
    if demos.env_id is None and ends["terminated"] == len(data.lengths) > 1 and np.ptp(data.lengths) == 0:
        ending += f"; all after {data.lengths[0]} steps: if that is a time limit, say horizon={data.lengths[0]}"
    if sum(ends.values()) < len(data.lengths):
        ending = "ends lie between the recorded steps"
    played = data.env_steps
    recorded = "" if played == len(data) else f" of {played} played"
    return [
        f"source    {demos.source}",
        f"env       {demos.env_id or 'not recorded'}",
        f"episodes  {len(data.lengths)} ({ending})",
        f"steps     {len(data)}{recorded}, {data.expert_labels} labelled, {data.expert_steps} by the expert",
        f"return    {_spread(data.returns)}",
        f"length    {_spread(data.lengths)}",
        f"reward    {data.reward.min():.4g} to {data.reward.max():.4g}{_constant(data.reward)}",
        f"obs       {_shape(data.obs)}, {data.obs.min():.4g} to {data.obs.max():.4g}, {_still(data)} constant",
        f"action    {_shape(data.act)}, {data.act.min():.4g} to {data.act.max():.4g}{_outside(data, bounds)}",
        "finite    yes: no NaN, no infinity",
    ]


def _spread(values: np.ndarray) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return (
        f"{values.mean():.1f} ± {values.std():.1f} (std), median {np.median(values):.1f}, "
        f"{values.min():.1f} to {values.max():.1f}"
    )


def _shape(values: np.ndarray) -> str:
    return f"{values.dtype}{list(values.shape[1:])}"


def _constant(reward: np.ndarray) -> str:
    return "; constant: returns only count steps" if reward.min() == reward.max() else ""


def _still(data: Rollout) -> int:
    """Count the observed numbers that never change."""
    flat = data.obs.reshape(len(data), -1)
    return int((flat.min(0) == flat.max(0)).sum())


def _outside(data: Rollout, bounds: Bounds | None) -> str:
    if data.act.ndim == 1:
        counts = np.bincount(data.act) / len(data)
        return "; shares " + ", ".join(f"{k}: {share:.1%}" for k, share in enumerate(counts[:20]))
    if bounds is None:
        return "; bounds unknown"
    outside = (data.act < bounds[0]) | (data.act > bounds[1])
    rows = outside.any(1).mean()
    return f"; out of bounds: {outside.mean():.1%} of numbers, {rows:.1%} of rows"
