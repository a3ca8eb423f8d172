"""Agents on the Hugging Face hub, in the layout that rl-zoo gives them."""

import dataclasses
from pathlib import Path

from il.envs.base import EnvSpec
from il.errors import ConfigError, nearest
from il.experts.sb3 import Sb3Expert

PATTERNS = ("*.yml", "*vec*normalize*.pkl", "results.json")
"""What is fetched beside the zip."""
NO_AGENTS = ("train_eval_metrics.zip",)


class HubExpert(Sb3Expert):
    """A Stable-Baselines3 agent from the hub, kept in the hub's own cache; the commit is recorded.

    Args:
        repo: repository such as ``sb3/ddpg-BipedalWalker-v3``.
        file: the zip in it; None takes the one that there is.
        revision: branch, tag or commit; None takes the latest.
        algo: see `Sb3Expert`; so are the others.
        trusted: whether code from the zip may run.
        stats: ``auto``, ``none`` or a file.
        env: name of the environment it was trained on.
        spec: the environment of the run.

    Raises:
        ConfigError: no such repository, revision or file; a hub that does not answer; see also `Sb3Expert`.
    """

    def __init__(
        self,
        repo: str,
        file: str | None,
        revision: str | None,
        algo: str | None,
        trusted: bool,
        stats: str,
        env: str | None,
        *,
        spec: EnvSpec,
    ):
        snapshot = fetch(repo, file, revision)
        super().__init__(str(choose(snapshot, repo, file)), algo, trusted, stats, env, spec=spec)
        extra = {**self.provenance.extra, "repo": repo, "revision": snapshot.name}
        source = f"Stable-Baselines3 {self.algorithm} of hub repository {repo} at {snapshot.name[:12]}"
        self.provenance = dataclasses.replace(self.provenance, source=source, extra=extra)


def fetch(repo: str, file: str | None, revision: str | None) -> Path:
    """Download a repository's agent and what belongs to it, or find it in the cache.

    Returns:
        The folder of the files; its name is the commit.

    Raises:
        ConfigError: see `HubExpert`.
    """
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise ConfigError("expert=hub needs an extra: pip install huggingface_hub") from None
    try:
        patterns = [file or "*.zip", *PATTERNS]
        return Path(
            snapshot_download(repo, revision=revision, allow_patterns=patterns, ignore_patterns=list(NO_AGENTS))
        )
    except errors.GatedRepoError:
        said = "is gated; ask its owner for access and log in with `hf auth login`"
    except errors.RepositoryNotFoundError:
        said = "does not exist, or is private: log in with `hf auth login`"
    except errors.RevisionNotFoundError:
        said = f"has no revision {revision}"
    except errors.LocalEntryNotFoundError:
        said = "is not cached, and the hub cannot be reached; fetch it where there is a network"
    except Exception as error:  # the client passes on whatever its HTTP library raises
        said = f"cannot be fetched ({' '.join(str(error).split())[:150]})"
    raise ConfigError(f"expert.repo={repo} {said}")


def choose(snapshot: Path, repo: str, file: str | None) -> Path:
    """Return the agent's zip among the files of a repository.

    Raises:
        ConfigError: when there is none, or several and none is named like the repository.
    """
    zips = sorted(p for p in snapshot.rglob("*.zip") if p.name not in NO_AGENTS)
    names = [str(p.relative_to(snapshot)) for p in zips]
    if file is not None:
        if file not in names:
            raise ConfigError(f"expert.file={file} is not in {repo}{nearest(file, names)}; it has {', '.join(names)}")
        return snapshot / file
    own = f"{repo.rsplit('/', 1)[-1]}.zip"
    if own in names:
        return snapshot / own
    if len(names) != 1:
        raise ConfigError(f"{repo} has {', '.join(names) or 'no zip'}; set expert.file to the agent's zip")
    return zips[0]
