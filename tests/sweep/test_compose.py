"""Composing a job from another one is what composing it from nothing is."""

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from il.config import register
from il.sweep.compose import Composer
from tests.conftest import ROOT


@pytest.fixture
def sweep():
    """A sweep's own configuration and Hydra's loader."""
    register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        master = loader.load_configuration("config", [f"hydra.searchpath=[file://{ROOT}]"], run_mode=RunMode.MULTIRUN)
        with open_dict(master):
            master.hydra.job.config_name = "config"
        yield master, loader


JOBS = [
    ["seed=1", "algo.beta=0.5"],
    ["seed=2", "algo.beta=linear"],
    ["seed=3", "algo.beta=[1,0.5]"],
    ["seed=3", "algo.beta=exponential\\:0.5"],
    ["algo.beta=0.1", "seed=3"],
    ["seed=1", "policy.fit={lr:0.1,steps:7}"],
    ["seed=2", "policy.fit={batch:3}"],
    ["policy.fit.lr=0.2", "policy.fit={lr:0.1}"],
    ["policy.fit.lr=0.3", "policy.fit={lr:0.1}"],
    ["policy.fit={lr:0.1}", "policy.fit.lr=0.3"],
    ["env=hopper", "seed=1"],
    ["env=walker2d", "seed=1"],
    ["sweeps@_global_=seeds", "seed=1", "+algo.new=1"],
    ["sweeps@_global_=seeds", "seed=2", "+algo.new=2"],
    ["seed=1", "~algo.sample"],
    ["out='a b'", "seed=5", "device=cpu", "budget.labels=null", "eval.stochastic=false"],
    ["out='c=d'", "seed=5", "device=auto", "budget.labels=1000", "policy.fit.lr=1e-3", "eval.stochastic=true"],
    [],
]


def test_every_job_is_as_hydra_would_have_it(sweep):
    master, loader = sweep
    composer = Composer(master, loader)
    for overrides in JOBS:
        assert composer.compose(overrides) == loader.load_sweep_config(master, overrides), overrides
    assert len(composer.composed) < len(JOBS)


def test_values_are_checked_where_a_job_is_made_from_another(sweep):
    composer = Composer(*sweep)
    composer.compose(["seed=1"])
    with pytest.raises(OmegaConfBaseException, match="seed"):
        composer.compose(["seed=one"])


def test_jobs_do_not_share_what_they_hold(sweep):
    composer = Composer(*sweep)
    one, other = composer.compose(["seed=1"]), composer.compose(["seed=2"])
    one.algo.rounds = 99
    assert other.algo.rounds != 99 and OmegaConf.is_struct(other)
