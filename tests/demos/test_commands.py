import numpy as np
import pytest

from il.actors import EXPERT, EXPLORER
from il.demos import commands, formats
from il.errors import ConfigError


def run(*overrides: str) -> None:
    commands.main(list(overrides))


def collect(path, *overrides: str):
    run("collect", "env=cartpole", f"to={path}", *overrides)
    return formats.read(str(path), None, None).rollout


def test_collect_info_convert_merge(tmp_path, capsys):
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    one, other = collect(a, "episodes=2"), collect(b, "episodes=1", "seed=1")
    assert one.lengths.tolist() == [500, 500] and other.lengths.tolist() == [500]
    assert (one.who == EXPERT).all() and one.labelled.all() and not np.isin(other.seed, one.seed).any()
    run("convert", f"path={a}", f"to={tmp_path / 'a.pkl'}", "episodes=1")
    assert formats.read(str(tmp_path / "a.pkl"), None, 500).rollout.truncated.sum() == 1
    run("merge", f"paths=[{a},{b}]", f"to={tmp_path / 'c.npz'}")
    capsys.readouterr()
    run("info", f"path={tmp_path / 'c.npz'}")
    said = capsys.readouterr().out
    assert "3 (0 terminated, 3 truncated, 0 cut)" in said and "CartPole-v1" in said
    assert "constant: returns only count steps" in said and "500.0 ± 0.0" in said


def test_the_same_seed_collects_the_same_episodes(tmp_path):
    one, again = collect(tmp_path / "a.npz", "episodes=2"), collect(tmp_path / "b.npz", "episodes=2", "env.n_envs=1")
    for name, values in one.arrays().items():
        np.testing.assert_allclose(values, again.arrays()[name], err_msg=name)


def test_random_actions_among_the_experts_are_labelled_by_it(tmp_path):
    noisy = collect(tmp_path / "a.npz", "episodes=2", "noise=0.3")
    share = (noisy.who == EXPLORER).mean()
    assert 0.2 < share < 0.4 and noisy.labelled.all()
    assert (noisy.act[noisy.who == EXPERT] == noisy.label[noisy.who == EXPERT]).all()
    assert (noisy.act[noisy.who == EXPLORER] != noisy.label[noisy.who == EXPLORER]).any()


def test_gaussian_noise_has_its_size_and_leaves_the_labels_clean(tmp_path):
    path = tmp_path / "a.npz"
    run("collect", "env=pendulum", f"to={path}", "episodes=5", "noise=0.25")
    noisy = formats.read(str(path), None, None).rollout
    assert (noisy.who == EXPLORER).all() and noisy.labelled.all() and noisy.expert_steps == 0
    assert abs((noisy.act - noisy.label).std() - 0.5) < 0.05  # a quarter of half of [-2, 2]


def test_subsampling_keeps_every_kth_step_of_whole_episodes(tmp_path, capsys):
    kept = collect(tmp_path / "a.npz", "episodes=2", "subsample=7")
    assert (kept.t % 7 == 0).all() and len(kept) == 2 * 72 and kept.returns.tolist() == [500, 500]
    assert "144 of 1000 played" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="sub-sampled"):
        run("convert", f"path={tmp_path / 'a.npz'}", f"to={tmp_path / 'a.pkl'}")


def test_course_data_say_how_many_actions_are_out_of_bounds(shared, capsys):
    run("info", f"path={shared / 'data/cs285/expert_data/expert_data_Hopper-v4.pkl'}")
    said = capsys.readouterr().out
    assert "Hopper-v4" in said and "out of bounds:" in said and "out of bounds: 0.0%" not in said
    assert "3717.5 ± 0.4" in said and "2 truncated" in said


def test_ends_that_look_like_a_time_limit_are_pointed_out(tmp_path, capsys):
    collect(tmp_path / "a.npz", "episodes=2")
    run("convert", f"path={tmp_path / 'a.npz'}", f"to={tmp_path / 'a.pkl'}")
    capsys.readouterr()
    run("info", f"path={tmp_path / 'a.pkl'}")
    assert "2 terminated, 0 truncated, 0 cut; all after 500 steps: if that is a time limit, say horizon=500" in (
        capsys.readouterr().out
    )
    run("info", f"path={tmp_path / 'a.pkl'}", "horizon=500")
    assert "(0 terminated, 2 truncated, 0 cut)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ([], "there are collect, info, convert, merge"),
        (["inof"], r"did you mean 'info'"),
        (["info"], "needs path="),
        (["info", "pth=x"], r"no such knob as pth=x \(did you mean 'path'\?\)"),
        (["info", "x.npz"], "no such knob as x.npz"),
        (["collect", "env=cartpole"], "needs to="),
        (["collect", "env=cartpol", "to=x.npz"], r"did you mean 'cartpole'"),
        (["collect", "env=cartpole", "to=x.npz", "env.foo=1"], "env.foo"),
        (["collect", "env=cartpole", "to=x.npz", "noise=2"], "a share between 0 and 1"),
        (["collect", "env=cartpole", "to=x.npz", "episodes=0"], "episodes=0: must be at least 1"),
        (["collect", "env=cartpole", "to=x.pkl", "subsample=2"], "course files hold successive steps"),
        (["merge", "paths=x.npz", "to=y.npz"], "give two data sets or more"),
        (["convert", "path=x.npz"], "needs to="),
    ],
)
def test_mistakes_are_one_clear_line(tmp_path, monkeypatch, overrides, says):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=says) as error:
        run(*overrides)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_an_existing_file_is_kept_before_any_work(tmp_path):
    (tmp_path / "a.npz").write_text("mine")
    with pytest.raises(ConfigError, match="is not replaced"):
        collect(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").read_text() == "mine"


def test_a_data_set_is_not_collected_again(tmp_path):
    collect(tmp_path / "a.npz", "episodes=1")
    with pytest.raises(ConfigError, match="il demos convert"):
        collect(tmp_path / "b.npz", "expert=demos", f"expert.path={tmp_path / 'a.npz'}")
