"""Planners: known answers, rewards that are the environment's own, answers that do not depend on who else is asked."""

from typing import Any

import numpy as np
import pytest
import yaml

from il.actors import ExpertActor, Mixture, RandomActor
from il.algos.branches import play_on
from il.envs import make
from il.envs.base import VectorEnv
from il.errors import ConfigError
from il.evaluate import evaluate
from il.experts.base import Expert, Moment
from il.experts.bundled import pretrained
from il.experts.planners.cem import CEM, colouring
from il.experts.planners.ilqr import ILQR
from il.experts.planners.lqr import LQR, riccati
from il.experts.planners.simulator import Simulator
from il.labels import LEARNABLE, agreement
from il.play import episode_of
from il.randomness import Purpose
from il.rollout import Collect, collect
from tests.conftest import ROOT, rows, weights


def env_of(id: str, n: int, horizon: int | None = None, backend: Any = "auto") -> VectorEnv:
    return make(id, n, {}, horizon, backend, 1, None, [])


def planner(name: str, env: VectorEnv, **knobs: Any) -> Any:
    """Return a planner with its file's knobs, but for some."""
    given = yaml.safe_load((ROOT / "conf/expert" / f"{name}.yaml").read_text())
    known = {k: v for k, v in given.items() if not k.startswith("_")}
    return {"lqr": LQR, "ilqr": ILQR, "cem": CEM}[name](env.spec, **{**known, **knobs})


def returns(env: VectorEnv, expert: Expert, episodes: int) -> np.ndarray:
    return evaluate(env, ExpertActor(expert), episodes, 0, Purpose.EVAL).returns


@pytest.mark.parametrize(
    ("id", "least"), [("CartPole-v1", 500), ("InvertedPendulum-v5", 1000), ("InvertedDoublePendulum-v5", 9350)]
)
def test_lqr_balances_every_pole_for_the_whole_episode(id: str, least: float) -> None:
    env = env_of(id, 10)
    assert returns(env, planner("lqr", env), 10).min() >= least


def test_lqr_solves_the_riccati_equation() -> None:
    """In one dimension p = q + a²p - (abp)² / (r + b²p) is a quadratic equation."""
    a, b, q, r = 1.2, 0.5, 2.0, 3.0
    p = np.roots([b * b, r - r * a * a - q * b * b, -q * r]).max()
    gain = riccati(*(np.array([[x]]) for x in (a, b, q, r)))
    assert gain[0, 0] == pytest.approx(a * b * p / (r + b * b * p), rel=1e-8)


def test_ilqr_reaches_better_than_the_controller_that_ships() -> None:
    """In every episode; the mean over 20 is in results/planners.md."""
    env = env_of("Reacher-v5", 5)
    planned, shipped = returns(env, planner("ilqr", env), 5), returns(env, pretrained(env.spec, None), 5)
    assert (planned > shipped + 0.1).all()


def test_ilqr_reads_off_the_prices() -> None:
    env = make("Reacher-v5", 2, {"reward_dist_weight": 2, "reward_control_weight": 0.3}, None, "auto", 1, None, [])
    assert planner("ilqr", env)._weights == pytest.approx((2, 0.3), abs=1e-4)


def test_cem_swings_up_as_well_as_the_controller_that_ships() -> None:
    env = env_of("Pendulum-v1", 10)
    planned, shipped = returns(env, planner("cem", env), 10), returns(env, pretrained(env.spec, None), 10)
    assert planned.mean() > shipped.mean() - 10 and planned.min() > -500


@pytest.mark.parametrize(
    ("id", "steps"),
    [(f"{name}-v5", 25) for name in ("HalfCheetah", "Hopper", "Walker2d", "Ant", "Swimmer", "Reacher", "Pusher")]
    + [("InvertedDoublePendulum-v5", 25), ("Pendulum-v1", 25), ("CartPole-v1", 40)],
)
def test_planned_rewards_and_ends_are_those_of_the_environment(id: str, steps: int) -> None:
    """Random plans from states in the middle of episodes, carried out in the simulator and then for real."""
    env, rng = env_of(id, 4), np.random.default_rng(0)
    spec, ids = env.spec, np.arange(4)
    shape = (4, steps + 5)
    plans = rng.integers(2, size=shape) if spec.discrete else rng.uniform(-1.5, 1.5, (*shape, spec.act_dim))
    env.reset(ids, [1, 2, 3, 4])
    for h in range(5):
        env.step(plans[:, h].astype(spec.act_dtype), ids)
    planned, fell = Simulator(spec, "a test").play(env.snapshot(ids), ids, plans[:, 5:].astype(spec.act_dtype))
    done = np.zeros_like(planned)
    for h in range(steps):
        done[ids, h], terminated, _ = env.step(plans[ids, 5 + h].astype(spec.act_dtype), ids)
        assert fell[ids[terminated]].all()
        ids = ids[~terminated]
        if not len(ids):
            break
    assert not fell[ids].any()
    assert np.abs(planned - done).max() <= 1e-6
    if id in ("CartPole-v1", "InvertedDoublePendulum-v5"):
        assert fell.any()


def test_answers_do_not_depend_on_the_number_of_slots_or_on_earlier_questions() -> None:
    """Warm starts and random numbers included, whoever drives; a step asked about twice is planned once."""
    rollouts = []
    for n in (1, 3):
        env = env_of("Pendulum-v1", n, 30)
        expert = planner("cem", env, samples=12, elites=4)
        actor = Mixture([ExpertActor(expert), RandomActor(env.spec)], [0.5, 0.5])
        if n == 3:
            returns(env, expert, 4)
        planned, plan = [], expert.plan
        expert.plan = lambda state, previous, streams, a=planned, f=plan: (
            a.extend(p is not None for p in previous) or f(state, previous, streams)
        )
        rollouts.append(collect(env, Collect(actor, episodes=3), expert, seed=0, round=1))
        second = 3 * expert.agreement if expert.agreement < 30 else 3 * 30
        assert len(planned) == 3 * 30 + second and sum(planned) == 2 * 3 * 29
    one, three = rollouts
    assert (one.who == three.who).all() and 0 < (one.who == 0).mean() < 1
    assert np.abs(one.label - three.label).max() < 1e-5
    assert (one.label[one.who == 0] == one.act[one.who == 0]).all()


def test_a_branch_starts_without_a_plan() -> None:
    """A slot put back must not go on with the plan of where it was, though the steps seem to follow each other."""
    env = env_of("Pendulum-v1", 1, 5)
    expert, ids = planner("cem", env, samples=12, elites=4), np.array([0])
    env.reset(ids, [1])
    start, first = env.snapshot(ids), np.zeros((1, 1), np.float32)
    episode = episode_of(0, Purpose.CRITIC, 0, 0, 20)
    ends = [play_on(env, [start], first, ExpertActor(expert), np.array([t]), [episode]).returns for t in (3, 7, 11)]
    assert ends[0] == ends[1] == ends[2]


def test_labels_that_are_chance_are_noticed() -> None:
    """Two planners for HalfCheetah hardly agree; two that always find the best plan would."""
    env = env_of("HalfCheetah-v5", 2, 20)
    expert = planner("cem", env, horizon=8, samples=16, iterations=1, elites=4, beta=0.25, sigma=0.5)
    rollout = collect(env, Collect(RandomActor(env.spec), episodes=2), expert, seed=0, round=0)
    found = agreement(rollout)
    assert found is not None and found < LEARNABLE
    rollout.second[:] = rollout.label
    assert agreement(rollout) == pytest.approx(1)
    rollout.second[:] = -rollout.label
    assert agreement(rollout) == pytest.approx(-1)


def test_the_run_records_the_agreement_and_warns(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    knobs = "horizon=6 samples=8 iterations=1 elites=3 sigma=0.5".split()
    path = run(
        "env=halfcheetah", "env.horizon=15", "expert=cem", *(f"expert.{k}" for k in knobs), "algo.rounds=2",
        "algo.first_steps=30", "algo.steps=15", "eval.episodes=1", "test.episodes=1", "trainer.expert_tolerance=0",
    )  # fmt: skip
    assert all(row["expert/label_agreement"] < LEARNABLE for row in rows(path))
    assert capsys.readouterr().err.count("agrees with itself by") == 1


PENDULUM = (
    "env=pendulum env.horizon=25 expert=cem expert.samples=10 expert.elites=4 expert.horizon=8 algo.rounds=3 "
    "algo.beta=exponential:0.5 algo.first_steps=50 algo.steps=50 trainer.expert_tolerance=0"
).split()


def test_a_run_that_was_stopped_goes_on_bit_for_bit(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a round, and in a fit, when the round's labels exist already."""
    whole = run(*PENDULUM, out="whole")
    run(*PENDULUM, "budget.rounds=1", out="stopped")
    with monkeypatch.context() as patch:
        patch.setattr("il.algos.dagger.fit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(*PENDULUM, out="stopped")
    stopped = run(*PENDULUM, out="stopped")
    assert rows(stopped) == rows(whole) and weights(stopped) == weights(whole)
    assert all("expert/label_agreement" in row for row in rows(whole))


@pytest.mark.parametrize(
    ("name", "id", "backend", "says"),
    [
        ("lqr", "Hopper-v5", "auto", "for cartpole, inverted_pendulum, inverted_double_pendulum, not for Hopper-v5"),
        ("ilqr", "HalfCheetah-v5", "auto", "for reacher, not for HalfCheetah-v5"),
        ("cem", "CartPole-v1", "auto", "continuous actions between bounds; CartPole-v1 has none"),
        ("cem", "HalfCheetah-v5", "gymnasium", "HalfCheetah-v5 has no snapshots"),
    ],
)
def test_where_a_planner_does_not_fit_it_says_where_it_does(name: str, id: str, backend: str, says: str) -> None:
    env = env_of(id, 1, None, backend)
    with pytest.raises(ConfigError, match=says):
        planner(name, env)


def test_recorded_states_cannot_be_labelled() -> None:
    env = env_of("Pendulum-v1", 1)
    with pytest.raises(ConfigError, match="from the simulator's state, which observations alone"):
        planner("cem", env).act(env.obs)


@pytest.mark.parametrize(
    ("knob", "value"), [("horizon", 0), ("elites", 31), ("keep", 1.5), ("answer", "worst"), ("sigma", 0)]
)
def test_knobs_out_of_range_are_named(knob: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"expert.{knob}={value}"):
        planner("cem", env_of("Pendulum-v1", 1), **{knob: value})


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_noise_has_unit_variance_and_its_colour(beta: float) -> None:
    noise = np.random.default_rng(0).standard_normal((20_000, 32)) @ colouring(32, beta)
    assert noise.std(0) == pytest.approx(1, abs=0.03)
    power = (np.abs(np.fft.rfft(noise)) ** 2).mean(0)[1:-1]
    slope = np.polyfit(np.log(np.arange(1, 16)), np.log(power), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.05)


def test_a_plan_that_ends_the_episode_is_avoided() -> None:
    """Alive pays nothing here, so only the charge for a fall keeps the planner from moving to where it ends."""
    env = env_of("InvertedPendulum-v5", 1)
    ids = np.array([0])
    env.reset(ids, [0])
    x = env.coordinates(env.snapshot(ids))
    x[0, 1] = 0.15
    env.restore(ids, env.moved(env.snapshot(ids), x))
    moment = Moment(env.snapshot(ids), ids, np.array([0]))
    expert = planner("cem", env, horizon=10, samples=40)
    assert expert.act(env.obs, moment)[0, 0] > 0.5  # the cart goes after the pole
