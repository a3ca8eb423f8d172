"""What lies around a Stable-Baselines3 zip: rl-zoo's settings, and the statistics that normalised its observations."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from il.errors import ConfigError
from il.experts.checks import task_name
from il.experts.sb3_reader import ALGORITHMS, Archive
from il.restricted_pickle import NUMPY, Inert, load

FILES = ("vecnormalize.pkl", "vec_normalize.pkl")
ALLOW = {**NUMPY, **{(name, "*"): Inert for name in ("gym", "gymnasium", "stable_baselines3", "numpy.random")}}
"""Of these packages' objects only the numbers are kept."""


@dataclass(frozen=True)
class Folder:
    """Facts found beside a zip."""

    env_id: str | None
    """The environment it was trained on."""
    algo: str | None
    normalized: bool
    """Whether its settings, or the zip itself, say that observations were normalised."""
    stats: Path | None
    """The file of the statistics."""
    score: tuple[float, float] | None
    """Recorded mean and standard deviation of the return."""
    wrappers: dict[str, Any] = field(default_factory=dict)
    """Settings that change observations: ``frame_stack``, ``env_wrapper``."""


@dataclass(frozen=True)
class Statistics:
    """Running statistics of VecNormalize."""

    mean: np.ndarray
    """[…] like one observation."""
    var: np.ndarray
    epsilon: float
    clip: float
    """Normalised observations are clipped to ± this."""
    norm_obs: bool
    reward_scale: float
    """Multiply critics by this to get the environment's reward units; 1 where rewards were not normalised."""

    def normalize(self, obs: np.ndarray) -> np.ndarray:
        """Normalise float32 [B, …]."""
        if not self.norm_obs:
            return obs
        scaled = (obs - self.mean) / np.sqrt(self.var + self.epsilon)
        return np.clip(scaled, -self.clip, self.clip).astype(np.float32)


def look(archive: Archive) -> Folder:
    """Read what rl-zoo and the hub put beside a zip.

    Raises:
        ConfigError: unreadable YAML, or several different files of statistics.
    """
    path = archive.path
    places = _places(path)
    args, config = ({**_first_yaml(places, name)} for name in ("args.yml", "config.yml"))
    overrides = args.get("hyperparams")
    settings = {**config, **(overrides if isinstance(overrides, dict) else {})}
    algo = str(args.get("algo") or "").lower()
    words = re.split(r"[^a-z0-9]+", f"{path.stem} {path.parent.name} {path.parent.parent.name}".lower())
    names = [algo] if algo else [word for word in words if word in ALGORITHMS]
    on_policy = archive.family == "actor-critic"
    wrapped = on_policy and archive.data.get("_last_original_obs") is not None
    normalized = _normalizes(settings["normalize"]) if "normalize" in settings else wrapped
    return Folder(
        env_id=args.get("env") or _named_env(path),
        algo=names[0] if names else None,
        normalized=normalized,
        stats=_find_stats(path, places),
        score=_score(places),
        wrappers={k: settings[k] for k in ("frame_stack", "env_wrapper") if settings.get(k)},
    )


def statistics(path: Path, shape: tuple[int, ...]) -> Statistics:
    """Read VecNormalize's statistics, keeping only numbers.

    Args:
        path: the pickle, of any version.
        shape: of one observation.

    Raises:
        ConfigError: hostile or damaged file, dict observations, other sizes, impossible numbers.
    """
    saved = load(path, ALLOW)
    state = saved.state if isinstance(saved, Inert) else None
    if not isinstance(state, dict) or not {"obs_rms", "norm_obs", "clip_obs", "epsilon"} <= state.keys():
        raise ConfigError(f"{path} holds no statistics of VecNormalize")
    if isinstance(state["obs_rms"], dict):
        raise ConfigError(f"{path} normalises dict observations; only arrays are supported")
    norm_obs = bool(state["norm_obs"])
    mean, var = _moments(path, state["obs_rms"], shape) if norm_obs else (np.zeros(shape), np.ones(shape))
    scale = 1.0
    epsilon = float(state["epsilon"])
    if state.get("norm_reward"):
        scale = float(np.sqrt(_moments(path, state["ret_rms"], ())[1] + epsilon))
    return Statistics(mean, var, epsilon, float(state["clip_obs"]), norm_obs, scale)


def _moments(path: Path, saved: Any, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    state = saved.state if isinstance(saved, Inert) and isinstance(saved.state, dict) else {}
    try:
        mean, var = (np.asarray(state[key], np.float64) for key in ("mean", "var"))
    except (KeyError, ValueError, TypeError):
        raise ConfigError(f"{path} has statistics without mean and var") from None
    if mean.shape != shape or var.shape != shape:
        raise ConfigError(f"{path} has statistics of shape {mean.shape}, the policy observes {shape}")
    if not (np.isfinite(mean).all() and np.isfinite(var).all() and (var >= 0).all()):
        raise ConfigError(f"{path} has statistics that are not finite or have a negative variance")
    return mean, var


def _places(path: Path) -> list[Path]:
    """Folders to look into: the zip's own, rl-zoo's folder of settings inside it, and any other one with settings."""
    inside = [p for p in sorted(path.parent.iterdir()) if p.is_dir() and (p / "config.yml").is_file()]
    named = [p for p in inside if path.stem.endswith(p.name)]
    return [path.parent, *(named or inside[:1])]


def _find_stats(path: Path, places: list[Path]) -> Path | None:
    """Prefer what is named like the zip, as checkpoints ``x_1000_steps.zip`` and ``x_vecnormalize_1000_steps.pkl``."""
    checkpoint = re.fullmatch(r"(.+)_(\d+_steps)", path.stem)
    own = [f"{path.stem}_{name}" for name in FILES]
    if checkpoint:
        own.insert(0, f"{checkpoint[1]}_vecnormalize_{checkpoint[2]}.pkl")
    for name in (*own, *FILES):
        for place in places:
            if (place / name).is_file():
                return place / name
    return None


def _named_env(path: Path) -> str | None:
    """Return an environment id in the zip's or its folder's name, when gymnasium knows a task of that name."""
    import gymnasium

    tasks = {task_name(name) for name in gymnasium.registry}
    for name in (path.stem, path.parent.name):
        for found in re.findall(r"[A-Z]\w*-v\d+", name):
            id = re.sub(r"_\d+$", "", found)
            if task_name(id) in tasks:
                return id
    return None


def _normalizes(value: Any) -> bool:
    """Read rl-zoo's ``normalize``: a flag, or a dict (also as text) of arguments to VecNormalize."""
    if isinstance(value, str):
        return not re.search(r"norm_obs\W+False", value) and value.lower() not in ("false", "none", "")
    if isinstance(value, dict):
        return bool(value.get("norm_obs", True))
    return bool(value)


def _score(places: list[Path]) -> tuple[float, float] | None:
    for place in places:
        file = place / "results.json"
        if file.is_file():
            try:
                found = json.loads(file.read_text())
                return float(found["mean_reward"]), float(found["std_reward"])
            except (ValueError, KeyError, TypeError):
                return None
    return None


def _first_yaml(places: list[Path], name: str) -> dict[str, Any]:
    import yaml

    for place in places:
        if (place / name).is_file():
            try:
                content = yaml.load((place / name).read_text(), _loader())
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise ConfigError(f"{place / name} is no YAML ({' '.join(str(error).split())[:100]})") from None
            return content if isinstance(content, dict) else {}
    return {}


def _loader() -> type:
    """A safe YAML loader that reads rl-zoo's tagged OrderedDicts as dicts and other tagged values as None."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def ordered(loader: Any, node: Any) -> dict[str, Any]:
        pairs = loader.construct_sequence(node, deep=True)
        return dict(pairs[0]) if pairs else {}

    def sequence(loader: Any, node: Any) -> list[Any]:
        return list(loader.construct_sequence(node))

    Loader.add_constructor("tag:yaml.org,2002:python/object/apply:collections.OrderedDict", ordered)
    Loader.add_constructor("tag:yaml.org,2002:python/tuple", sequence)
    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
    return Loader
