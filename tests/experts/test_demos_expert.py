import numpy as np
import pytest

from il.demos import formats
from il.demos.formats import Demonstrations
from il.demos.trajectory import Trajectory, stack
from il.envs.base import EnvSpec
from il.errors import ConfigError
from il.experts.demos import DemosExpert


def spec_of(id: str, obs: int, act: int, discrete: bool = False) -> EnvSpec:
    bounds = (None, None) if discrete else (-np.ones(act, np.float32), np.ones(act, np.float32))
    return EnvSpec(id, (obs,), (obs,), discrete, act, *bounds, horizon=1000)


def expert(path, spec: EnvSpec, format=None, episodes=None, env=None) -> DemosExpert:
    return DemosExpert(str(path), format, episodes, env, spec=spec)


@pytest.fixture
def hopper(shared):
    return shared / "data/cs285/expert_data/expert_data_Hopper-v4.pkl"


def test_course_data_become_the_first_rounds_data(hopper):
    one = expert(hopper, spec_of("Hopper-v5", 11, 3))
    rollout = one.demonstrations()
    assert not one.queryable and len(rollout) == 2000 and rollout.expert_labels == rollout.expert_steps == 2000
    assert abs(one.provenance.return_mean - 3717.5) < 1 and one.provenance.env_id == "Hopper-v4"
    assert len(one.provenance.sha256) == 64 and one.provenance.extra == {"episodes": 2, "steps": 2000}
    assert len(expert(hopper, spec_of("Hopper-v5", 11, 3), episodes=1).demonstrations()) == 1000


@pytest.mark.parametrize(
    ("spec", "options", "says"),
    [
        (spec_of("Walker2d-v5", 11, 3), {}, r"made for Hopper-v4, not for Walker2d-v5; choose that"),
        (spec_of("Hopper-v5", 12, 3), {}, r"of shape \(11,\), Hopper-v5 gives \(12,\): .* choose env\.id=Hopper-v4"),
        (spec_of("Hopper-v5", 11, 4), {}, "actions of 3 numbers, Hopper-v5 takes 4"),
        (spec_of("Hopper-v5", 11, 3, True), {}, "continuous actions, Hopper-v5 takes discrete"),
        (spec_of("Hopper-v5", 11, 3), {"episodes": 3}, r"expert\.episodes=3, but .* holds 2"),
        (spec_of("Hopper-v5", 11, 3), {"format": "npz"}, "not an .npz"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(hopper, spec, options, says):
    with pytest.raises(ConfigError, match=says) as error:
        expert(hopper, spec, **options)
    assert "\n" not in str(error.value)


def test_a_misleading_name_can_be_overruled(hopper):
    expert(hopper, spec_of("MyHopper-v0", 11, 3), env="MyHopper-v0")


@pytest.mark.parametrize("act", [np.array([0, 1, 2]), np.array([0.0, 1.0, 2.0], np.float32)])
def test_discrete_actions_even_stored_as_floats(tmp_path, act):
    rollout = stack([Trajectory(np.zeros((4, 2)), act, np.ones(3), True, False)], "x")
    path = tmp_path / "x.npz"
    formats.write(str(path), None, Demonstrations(rollout, None, "x"))
    back = expert(path, spec_of("Taxi-v0", 2, 3, True)).demonstrations()
    assert back.act.dtype == back.label.dtype == np.int64 and back.label.tolist() == [0, 1, 2]
    with pytest.raises(ConfigError, match="actions up to 2, Taxi-v0 takes 0 to 1"):
        expert(path, spec_of("Taxi-v0", 2, 2, True))
