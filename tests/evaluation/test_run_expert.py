"""What a run trained, as the expert of another."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from il.actors import Actor, ExpertActor, Switching
from il.envs import make
from il.errors import ConfigError
from il.evaluate import evaluate
from il.evaluation.expert import RunExpert, trained
from il.evaluation.loading import Loaded, load
from il.experts import neutral
from il.experts.base import Provenance
from il.randomness import Purpose
from il.rollout import Collect, collect
from tests.algos.tabular import Tabular


def cartpole(id: str = "CartPole-v1", n: int = 3):
    return make(id, n, {}, None, "auto", 1, None, [])


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A folder with the runs `dagger` and `switch` on CartPole."""
    from hydra import compose, initialize_config_dir

    from il.config import build, register
    from tests.conftest import ROOT, SMALL

    folder = tmp_path_factory.mktemp("runs")
    register()
    for name, algo in (("dagger", ["algo=dagger"]), ("switch", ["algo=switch_dagger", "algo.alpha=0.9"])):
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            cfg = compose("config", [*SMALL, *algo, "env.horizon=200", f"outputs_dir={folder}", f"out={name}"])
        build(cfg.trainer, "trainer")(cfg).run()
    return folder


def expert(path: Path, output=None, env=None, spec=None):
    return trained(str(path), output, env, spec=spec or cartpole().spec)


def test_a_single_policy_answers_as_it_did_in_its_run(runs):
    env, one = cartpole(), expert(runs / "dagger", "last")
    obs = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    policy = load(runs / "dagger", []).algo.outputs(sample=False)["last"].policy
    np.testing.assert_array_equal(one.act(obs), policy.act(obs, None))
    assert one.queryable and one.driver is None and one.act(obs).dtype == np.int64
    summary = json.loads((runs / "dagger/summary.json").read_text())
    assert one.provenance.return_mean == summary["test/last/return_mean"]
    env.close()


def test_without_a_name_it_is_the_best(runs):
    assert expert(runs / "dagger").provenance.extra["output"] == "best"


def test_where_it_comes_from_is_recorded_with_the_run_that_uses_it(runs, run):
    path = run("algo=dagger", "algo.rounds=2", "expert=run", f"expert.path={runs / 'switch'}", "expert.output=current",
               "env.horizon=200", "trainer.expert_tolerance=0")  # fmt: skip
    said = json.loads((path / "run.json").read_text())["expert"]
    theirs = json.loads((runs / "switch/run.json").read_text())
    assert said["extra"] == {
        "run": str(runs / "switch"), "config_hash": theirs["config_hash"], "git": theirs["git"],
        "checkpoint": "round_0002", "output": "current",
    }  # fmt: skip
    assert len(said["sha256"]) == 64 and said["env_id"] == "CartPole-v1" and "current of" in said["source"]


def test_a_mixture_drives_as_it_does_in_its_own_run(runs):
    env, one = cartpole(), expert(runs / "switch", "last")
    actor = load(runs / "switch", []).algo.outputs(sample=False)["last"]
    obs = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    driver = ExpertActor(one)
    mine = evaluate(env, driver, 5, 7, Purpose.EVAL)
    one.act_at(obs, np.arange(5))  # questions in between change nothing
    np.testing.assert_array_equal(mine.returns, evaluate(env, actor, 5, 7, Purpose.EVAL).returns)
    env.close()


@pytest.mark.parametrize("output", ["last", "current", "best"])
def test_a_mixture_can_be_cloned_and_asked(runs, run, output):
    path = run("algo=dagger", "algo.rounds=2", "expert=run", f"expert.path={runs / 'switch'}",
               f"expert.output={output}", "env.horizon=50", "trainer.expert_tolerance=0")  # fmt: skip
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert rows[1]["expert_labels"] == rows[1]["env_steps"] > 0
    assert rows[0]["collect/expert_share"] == 1 and rows[1]["collect/expert_share"] == 0


class Constant(Actor):
    """Always the same action."""

    def __init__(self, action: int):
        self.action, self.seen = action, ()

    def reset(self, ids, episodes):
        pass

    def act(self, view, t):
        self.seen = view.obs.shape[1:]
        return np.full(len(view.ids), self.action), np.ones(len(view.ids), np.int64)


class Outputs:
    """Stands for an algorithm: its output plays 1 for a geometric time, then 0."""

    def __init__(self):
        self.constant = Constant(1)

    def outputs(self, sample):
        return {"last": Switching([self.constant, Constant(0)], lambda rng, horizon: rng.geometric(0.2, 1) - 1)}


def mixture(env):
    run, algo = Path("x"), Outputs()
    return RunExpert(Loaded(run, None, env, None, algo), "last", Provenance("x"), env.spec), algo


def test_asked_at_a_step_each_part_answers_as_often_as_it_acts_then():
    env = cartpole()
    one, _ = mixture(env)
    obs = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    for t in (0, 2, 10):
        answers = one.act_at(obs, np.full(3000, t))
        share = 0.8 ** (t + 1)  # P(X > t)
        assert abs(answers.mean() - share) < 4 * np.sqrt(share * (1 - share) / 3000)
        np.testing.assert_array_equal(answers, one.act_at(obs, np.full(3000, t)))
        np.testing.assert_array_equal(answers[5:6], one.act_at(obs[5:6], np.full(1, t)))
    env.close()


def test_labels_know_the_step_and_the_expert_sees_its_own_view():
    env = Tabular(np.array([[0, 0]]), np.zeros((1, 2)), [0], 30)
    one, algo = mixture(env)
    rollout = collect(env, Collect(Constant(0), episodes=300), one, 0, 0)
    assert algo.constant.seen == env.spec.expert_obs_shape
    by_step = rollout.label.reshape(300, 30)
    assert len(np.unique(by_step[:, 20])) == 1  # the expert's view holds the step, and nothing else that varies
    rollout = collect(env, Collect(ExpertActor(one), episodes=2000), one, 0, 0)
    share = rollout.act.reshape(2000, 30).mean(0)
    np.testing.assert_allclose(share[:10], 0.8 ** np.arange(1, 11), atol=0.05)
    assert (np.diff(rollout.act.reshape(2000, 30), axis=1) <= 0).all()  # once left, never again
    np.testing.assert_array_equal(rollout.act, rollout.label)


def test_an_expert_that_was_trained_by_reinforcement_learning(runs, tmp_path):
    path = shutil.copytree(runs / "dagger", tmp_path / "ppo")
    rng = np.random.default_rng(0)
    arrays = {"actor.0.weight": rng.normal(size=(4, 2)), "actor.0.bias": np.zeros(2)}
    neutral.write(path / "expert", arrays, {"activation": "tanh", "output": "argmax", "env_id": "CartPole-v1"})
    one, obs = expert(path), rng.normal(size=(20, 4)).astype(np.float32)
    np.testing.assert_array_equal(one.act(obs), (obs @ arrays["actor.0.weight"].astype(np.float32)).argmax(1))
    assert one.provenance.extra["config_hash"] and len(one.provenance.sha256) == 64
    with pytest.raises(ConfigError, match=r"expert\.output=last: .*kept its best only"):
        expert(path, "last")
    with pytest.raises(ConfigError, match="made for CartPole-v1, not for Acrobot-v1"):
        expert(path, spec=cartpole("Acrobot-v1").spec)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"output": "lst"}, r"expert\.output=lst: .* no such output \(did you mean 'last'\?\); it has last, best"),
        ({"id": "Acrobot-v1"}, r"made for CartPole-v1, not for Acrobot-v1; .*expert\.env=Acrobot-v1"),
        ({"id": "Acrobot-v1", "env": "Acrobot-v1"}, r"observations of shape \(4,\), Acrobot-v1 gives \(6,\)"),
        ({"id": "Pendulum-v1", "env": "Pendulum-v1"}, "discrete actions, Pendulum-v1 takes continuous ones"),
        ({"name": "dager"}, r"dager does not exist \(did you mean 'dagger'\?\)"),
        ({"name": "."}, "holds no run"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(runs, options, says):
    spec = cartpole(options.get("id", "CartPole-v1")).spec
    with pytest.raises(ConfigError, match=says) as error:
        expert(runs / options.get("name", "dagger"), options.get("output"), options.get("env"), spec)
    assert "\n" not in str(error.value)


def test_bounds_of_actions_must_be_those_it_was_trained_with(runs, tmp_path):
    from dataclasses import replace

    from il.evaluation.expert import _check_spaces

    spec = cartpole("Pendulum-v1").spec
    _check_spaces(spec, spec, "x")
    with pytest.raises(ConfigError, match=r"actions whose low is \[-2\.0\], .* has \[-1\.0\]"):
        _check_spaces(spec, replace(spec, low=np.full(1, -1, np.float32)), "x")


def test_an_unfinished_run_is_refused(runs, tmp_path):
    path = shutil.copytree(runs / "dagger", tmp_path / "stopped")
    info = json.loads((path / "run.json").read_text())
    (path / "run.json").write_text(json.dumps({**info, "status": "preempted"}))
    with pytest.raises(ConfigError, match=r"is preempted, not finished: python launch\.py resume="):
        expert(path)
