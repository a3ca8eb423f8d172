"""Measuring finished runs again: the same numbers on the same episodes, others on others, and nothing touched."""

import hashlib
import json

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from il.actors import RandomActor
from il.assemble import Imitation
from il.config import register
from il.envs import make
from il.envs.noise import NoisyEnv
from il.errors import ConfigError
from il.evaluate import evaluate
from il.evaluation.commands import main
from il.evaluation.measure import disagreement
from il.evaluation.options import parse
from il.randomness import Purpose
from tests.conftest import ROOT, SMALL


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return the directory of a short DAgger run on CartPole."""
    folder = tmp_path_factory.mktemp("evaluation")
    register()
    given = [
        *SMALL,
        "algo=dagger",
        "algo.rounds=2",
        "policy.fit.steps=20",
        "seed=3",
        f"outputs_dir={folder}",
        "out=run",
    ]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        cfg = compose("config", overrides=given)
    Imitation(cfg, cfg.trainer.expert_tolerance).run()
    return folder / "run"


def rows_of(done):
    return {
        (r["output"], r["obs_noise"], r["act_noise"]): r for r in json.loads((done / "eval.json").read_text())["rows"]
    }


def test_the_test_episodes_give_the_runs_own_figures_again(done, capsys):
    before = {
        p: hashlib.sha256(p.read_bytes()).digest() for p in done.rglob("*") if p.is_file() and p.name != "eval.json"
    }
    main([str(done), "seed=0", "episodes=3"])
    summary = json.loads((done / "summary.json").read_text())
    rows = rows_of(done)
    for name in ("last", "best", "expert", "random"):
        assert rows[name, 0, 0]["returns"] == summary[f"test/{name}/returns"]
    assert rows["expert", 0, 0]["normalized"] == 1 and rows["random", 0, 0]["normalized"] == 0
    after = {
        p: hashlib.sha256(p.read_bytes()).digest() for p in done.rglob("*") if p.is_file() and p.name != "eval.json"
    }
    assert before == after
    said = capsys.readouterr().out
    assert "disagreement" in said and "obs. noise" not in said, "a column of zeros is left out"


def test_noise_and_other_seeds(done):
    main([str(done), "episodes=3", "obs_noise=0,2", "act_noise=0,0.9", "outputs=last"])
    rows = rows_of(done)
    assert len(rows) == 2 + 4
    clean, blind = rows["last", 0, 0], rows["last", 2, 0]
    assert blind["disagreement"] > clean["disagreement"] and blind["return_mean"] < clean["return_mean"]
    assert rows["last", 0, 0.9]["return_mean"] < clean["return_mean"]
    assert clean["disagreement_sum"] == pytest.approx(clean["disagreement"] * clean["length_mean"])
    summary = json.loads((done / "summary.json").read_text())
    assert clean["returns"] != summary["test/last/returns"][:3]


def test_changed_environment_and_a_single_episode(done, tmp_path, capsys):
    out = tmp_path / "x.json"
    main([str(done), "episodes=1", "env.horizon=7", f"out={out}"])
    rows = json.loads(out.read_text())["rows"]
    assert {row["length_mean"] for row in rows} == {7} and {row["return_std"] for row in rows} == {None}
    assert "std" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["outputs=lost"], "did you mean 'last'"),
        (["env.horizonn=3"], "did you mean 'horizon'"),
        (["episods=3"], "did you mean 'episodes'"),
        (["episodes=0"], "at least 1 episode"),
        (["episodes=many"], "no whole number"),
        (["obs_noise=-1"], "0 or more"),
        (["act_noise=x"], "numbers"),
        (["env.id=Pendulum-v1"], "categorical|Gaussian|gaussian|expert|do not fit"),
    ],
)
def test_wrong_arguments(done, arguments, message):
    with pytest.raises(ConfigError, match=message):
        main([str(done), *arguments])


def test_wrong_directories(done, tmp_path):
    with pytest.raises(ConfigError, match="no checkpoint"):
        main([str(tmp_path)])
    with pytest.raises(ConfigError, match="name a run"):
        main(["episodes=3"])
    with pytest.raises(ConfigError, match="is one file"):
        main([str(done), str(done.parent), "out=x"])


def test_options_read_lists():
    options, changes = parse(["obs_noise=[0,0.1]", "outputs=last,best", "env.horizon=5"])
    assert options.obs_noise == [0, 0.1] and options.outputs == ["last", "best"] and changes == ["env.horizon=5"]


def cartpole(n):
    return make("CartPole-v1", n, {}, None, "auto", 1, None, [])


def pendulum(n):
    return make("Pendulum-v1", n, {}, 50, "auto", 1, None, [])


@pytest.mark.parametrize("make_env", [cartpole, pendulum])
def test_noise_does_not_depend_on_slots_and_none_is_none(make_env):
    def returns(n, obs_std, act_noise):
        env = NoisyEnv(make_env(n), np.array(obs_std), act_noise)
        return evaluate(env, RandomActor(env.spec), 4, 0, Purpose.TEST).returns

    true = make_env(2)
    assert (returns(2, 0.0, 0.0) == evaluate(true, RandomActor(true.spec), 4, 0, Purpose.TEST).returns).all()
    assert returns(1, 0.3, 0.5) == pytest.approx(returns(3, 0.3, 0.5))
    assert (returns(2, 0.0, 0.5) != returns(2, 0.0, 0.0)).any()


def test_the_expert_sees_the_truth():
    env = NoisyEnv(cartpole(2), np.array([1.0, 0, 0, 0]), 0.0)
    env.reset(np.arange(2), [1, 2])
    assert (env.obs[:, 0] != env.expert_obs[:, 0]).all() and (env.obs[:, 1:] == env.expert_obs[:, 1:]).all()


def test_disagreement():
    discrete, continuous = cartpole(1).spec, pendulum(1).spec
    assert disagreement(discrete, np.array([0, 1, 1]), np.array([0, 0, 1])).tolist() == [0, 1, 0]
    act, label = np.array([[0.5], [9.0]]), np.array([[-0.5], [2.0]])
    assert disagreement(continuous, act, label).tolist() == [1, 0], "beyond the bounds, actions are the same"
