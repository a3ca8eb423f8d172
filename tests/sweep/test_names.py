import re

import pytest

from il.sweep.names import LONGEST, job_name, swept_keys


def test_swept_keys_are_those_with_several_values_and_the_seed():
    arguments = ["algo=dagger,bc", "env=ant", "algo.lr=range(1,3)", "seed=1", "env=hopper", "x=1,2", "x=3"]
    assert swept_keys(arguments) == {"algo", "algo.lr", "seed"}


def test_names_tell_what_is_swept_with_the_seed_last():
    overrides = ["env=ant", "seed=3", "algo.beta=0.5", "+algo/schedule=linear"]
    assert job_name(overrides, {"seed", "algo.beta", "+algo/schedule"}) == "beta=0.5,schedule=linear,seed=3"


def test_adding_seeds_or_values_renames_nothing():
    one, more = ["x=1,2", "seed=1"], ["x=1,2,3", "seed=1,2,3"]
    job = ["x=2", "seed=1"]
    assert job_name(job, swept_keys(one)) == job_name(job, swept_keys(more)) == "x=2,seed=1"


def test_a_schedule_with_its_number_stays_readable():
    assert job_name(["algo.beta=exponential\\:0.5", "seed=1"], {"algo.beta"}) == "beta=exponential=0.5"


def test_without_swept_keys_all_overrides_count():
    assert job_name(["env=ant", "hydra.verbose=true"], set()) == "env=ant"
    assert job_name([], set()) == "job"


def test_keys_that_end_alike_are_written_in_full():
    assert job_name(["algo.lr=1", "policy.lr=2"], {"algo.lr", "policy.lr"}) == "algo.lr=1,policy.lr=2"


@pytest.mark.parametrize("value", ["a/b", "a b", "[1,2]", "../../etc", "ä", "'", "x" * 300, "", "{a: 1}", "a\nb"])
def test_names_are_legal_short_and_unique_whatever_the_value(value):
    names = [job_name([f"k={value}", f"seed={s}"], {"k", "seed"}) for s in (1, 2)] + [job_name([f"k={value}x"], {"k"})]
    assert len(set(names)) == 3
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9._=,-]+", name) and len(name) <= LONGEST and not name.startswith(".")
