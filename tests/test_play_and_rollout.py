"""Episodes stay whole and apart, whatever the number of slots."""

from pathlib import Path

import numpy as np
import pytest

from il.actors import ExpertActor, Mixture, RandomActor, Switching
from il.algos.dagger import DAgger
from il.envs import make
from il.errors import EpisodeError
from il.evaluate import Evaluation
from il.experts.bundled import pretrained
from il.experts.callable import CallableExpert
from il.play import play
from il.randomness import Purpose
from il.rollout import Collect, Collection, collect
from tests.conftest import rows


def counter(n_envs: int, horizon: int = 10, **kwargs: int):
    return make("Counter-v0", n_envs, kwargs, horizon, "gymnasium", 1, None, [])


@pytest.mark.parametrize("n_envs", [1, 4])
def test_rows_of_an_episode_are_0_to_6_and_nothing_crosses_episodes(n_envs):
    env = counter(n_envs)
    expert = CallableExpert(env.spec, "tests.toys.constant")
    rollout = collect(env, Collect(RandomActor(env.spec), steps=30), expert, seed=1, round=2)
    assert rollout.lengths.tolist() == [7] * 5  # the shortest prefix of whole episodes that reaches 30
    assert rollout.obs[:, 0].tolist() == list(range(7)) * 5
    assert rollout.t.tolist() == list(range(7)) * 5
    assert rollout.final_obs[:, 0].tolist() == [7] * 5
    assert rollout.next_obs(np.arange(len(rollout)))[:, 0].tolist() == list(range(1, 8)) * 5
    assert rollout.terminated.tolist() == ([False] * 6 + [True]) * 5
    assert not rollout.truncated.any() and not rollout.cut.any()
    assert np.allclose(rollout.label, 0.5 * rollout.obs) and rollout.labelled.all()
    assert rollout.returns.tolist() == [7] * 5


@pytest.mark.parametrize(("horizon", "terminated", "truncated"), [(7, True, True), (5, False, True), (9, True, False)])
def test_time_limit_and_termination_are_told_apart(horizon, terminated, truncated):
    env = counter(2, horizon)
    rollout = collect(env, Collect(RandomActor(env.spec), episodes=3, label="none"), None, seed=0, round=0)
    last = rollout.t == rollout.lengths[rollout.episode] - 1
    assert (rollout.terminated[last] == terminated).all() and (rollout.truncated[last] == truncated).all()
    assert not rollout.terminated[~last].any() and not rollout.truncated[~last].any()


def test_the_data_do_not_depend_on_the_number_of_slots():
    rollouts = []
    for n_envs in (1, 8):
        env = make("Hopper-v5", n_envs, {}, None, "gymnasium", 1, None, [])
        expert = pretrained(env.spec, None)
        actor = Mixture([ExpertActor(expert), RandomActor(env.spec)], [0.7, 0.3])
        rollouts.append(collect(env, Collect(actor, steps=1500), expert, seed=3, round=1))
    one, eight = rollouts
    assert one.seed.tolist() == eight.seed.tolist() and len(one) > 300
    early = one.t < 20
    assert (one.who[early] == eight.who[eight.t < 20]).all()
    assert np.abs(one.obs[early] - eight.obs[eight.t < 20]).max() < 1e-5


def test_streams_played_side_by_side_are_those_played_alone():
    env = make("Hopper-v5", 8, {}, None, "auto", 1, None, [])
    expert = ExpertActor(pretrained(env.spec, None))

    def streams() -> tuple[Evaluation, Collection, Evaluation]:
        actor = Mixture([expert, RandomActor(env.spec)], [0.5, 0.5])
        collection = Collection(env, Collect(actor, steps=3000, label="none"), None, 3, 1)
        return Evaluation(env, expert, 3, 0, Purpose.EVAL), collection, Evaluation(env, actor, 4, 1, Purpose.TEST)

    together, alone = streams(), streams()
    play(env, *(part.stream for part in together))  # 3 + 3 slots, then 4
    for part in alone:
        play(env, part.stream)
    for k in (0, 2):
        assert together[k].scores.returns.tolist() == alone[k].scores.returns.tolist()
    ours, theirs = together[1].rollout().arrays(), alone[1].rollout().arrays()
    assert len(ours["lengths"]) > 10 and all(np.array_equal(ours[k], theirs[k]) for k in theirs)


def test_a_budget_cuts_the_last_episode():
    env = counter(3)
    rollout = collect(env, Collect(RandomActor(env.spec), steps=30, label="none"), None, seed=0, round=0, limit=17)
    assert len(rollout) == 17 and rollout.lengths.tolist() == [7, 7, 3]
    assert rollout.cut.nonzero()[0].tolist() == [16]
    assert rollout.final_obs[:, 0].tolist() == [7, 7, 3]


def test_stop_at_cuts_and_rows_select_while_all_steps_count():
    env = counter(2)
    request = Collect(RandomActor(env.spec), episodes=4, stop_at=3, rows=slice(2, 3), label="none")
    rollout = collect(env, request, None, seed=0, round=0)
    assert rollout.obs[:, 0].tolist() == [2] * 4 and rollout.cut.all()
    assert rollout.env_steps == 12 and rollout.final_obs[:, 0].tolist() == [3] * 4


def test_a_mixture_draws_its_weights_and_per_episode_never_changes_hands():
    env = counter(8, horizon=6)
    parts = [CallableExpert(env.spec, "tests.toys.constant")]
    expert, random = ExpertActor(parts[0]), RandomActor(env.spec)
    by_step = collect(env, Collect(Mixture([expert, random], [0.3, 0.7]), episodes=500), parts[0], seed=0, round=0)
    share = (by_step.who == 0).mean()
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / len(by_step))
    request = Collect(Mixture([expert, random], [0.3, 0.7], per="episode"), episodes=300)
    by_episode = collect(env, request, parts[0], seed=0, round=0)
    who = by_episode.who.reshape(300, 6)
    assert (who == who[:, :1]).all() and 0.2 < (who[:, 0] == 0).mean() < 0.4


def test_switching_hands_over_after_the_drawn_steps():
    env = counter(4)
    expert = CallableExpert(env.spec, "tests.toys.constant")
    actor = Switching([RandomActor(env.spec), ExpertActor(expert)], lambda rng, horizon: np.array([rng.integers(5)]))
    rollout = collect(env, Collect(actor, episodes=40), expert, seed=0, round=0)
    switch = [(rollout.who[rollout.episode == k] == -1).sum() for k in range(40)]
    for k, at in enumerate(switch):
        assert (rollout.who[rollout.episode == k] == [-1] * at + [0] * (7 - at)).all()
    assert set(switch) == set(range(5))


@pytest.mark.parametrize("breaks", ["fail_at", "nan_at"])
def test_a_broken_environment_is_named_with_seed_episode_and_step(breaks):
    env = counter(2, **{breaks: 4})
    with pytest.raises(EpisodeError, match=r"episode [01] \(reset seed \d+\) at step 4") as caught:
        collect(env, Collect(RandomActor(env.spec), episodes=2, label="none"), None, seed=0, round=0)
    assert ("fire" if breaks == "fail_at" else "not finite") in str(caught.value)


def test_a_run_that_breaks_keeps_its_earlier_rounds(run, tmp_path: Path):
    common = (
        "env=gym",
        "env.id=Counter-v0",
        "expert=callable",
        "expert.path=tests.toys.constant",
        "env.n_envs=1",
        "trainer.expert_tolerance=0",
    )
    run(*common, "algo.rounds=2", out="whole")
    with pytest.raises(EpisodeError):
        run(*common, "algo.rounds=2", "env.id=Flaky-v0", out="broken")
    info = (tmp_path / "broken" / "run.json").read_text()
    assert '"failed"' in info and "at step" in info
    assert (tmp_path / "broken" / "traceback.txt").exists()
    assert len((tmp_path / "broken" / "metrics.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "broken" / "checkpoints" / "round_0000").is_dir()


@pytest.mark.parametrize("n_envs", [4, 16])
def test_a_round_is_kept_whose_successor_breaks(run, monkeypatch, n_envs):
    whole, plan = run(f"env.n_envs={n_envs}", out="whole"), DAgger.plan

    class Broken(RandomActor):
        def act(self, view, t):
            if t[0] == 3:
                raise RuntimeError("the arm fell off")
            return super().act(view, t)

    def broken(self, n):
        return Collect(Broken(self.setup.spec), steps=200) if n == 2 else plan(self, n)

    monkeypatch.setattr(DAgger, "plan", broken)
    with pytest.raises(RuntimeError, match="arm"):
        run(f"env.n_envs={n_envs}", out="broken")
    monkeypatch.undo()
    assert rows(whole.parent / "broken") == rows(whole)[:2]
    assert rows(run(f"env.n_envs={n_envs}", out="broken")) == rows(whole)
