import numpy as np
import pytest

from il.actors import Episode, ExpertActor
from il.algos.branches import play_on, states
from il.envs import make
from il.errors import ConfigError
from il.experts.bundled import pretrained
from il.rollout import Collect, collect


@pytest.mark.parametrize("id", ["CartPole-v1", "Pendulum-v1", "Hopper-v5"])
def test_the_experts_own_action_leads_to_what_it_got(id):
    """Branches that change nothing equal the recorded rest of the episode, up to the rounding of batched actions."""
    env = make(id, 4, {}, 40, "auto", 1, None, [])
    expert = pretrained(env.spec, None)
    rollout = collect(env, Collect(ExpertActor(expert), episodes=5), expert, 0, 0)
    rows = np.array([3, 17, 39, 41, 120, 199])
    rng = np.random.default_rng(0)
    episodes = [Episode(k, 0, rng, 40) for k in range(len(rows))]
    branches = play_on(
        env, states(env, rollout, rows), rollout.act[rows], ExpertActor(expert), rollout.t[rows], episodes
    )
    rest = [rollout.reward[row : 40 * (rollout.episode[row] + 1)] for row in rows]
    np.testing.assert_allclose(branches.returns, [r.sum() for r in rest], rtol=1e-5)
    assert branches.steps == sum(map(len, rest))
    assert branches.expert_steps == branches.steps - len(rows)


def test_a_world_that_does_not_repeat_itself_is_refused():
    env = make("CartPole-v1", 2, {}, 20, "auto", 1, None, [])
    expert = pretrained(env.spec, None)
    rollout = collect(env, Collect(ExpertActor(expert), episodes=2), expert, 0, 0)
    rollout.act[5] = 1 - rollout.act[5]
    with pytest.raises(ConfigError, match="does not repeat"):
        states(env, rollout, np.array([8]))
