"""Statistics against known answers, and coverage on simulated runs."""

import json
from importlib.resources import files

import numpy as np
import pytest
from scipy import stats

from il.report.statistics import improvement, interval, iqm, mean, mean_band, median, profile


def test_mean_interval_is_the_t_interval() -> None:
    x = np.array([3.0, 5.0, 4.0, 8.0, 6.0])
    got = interval([x])
    low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
    assert (got.value, got.low, got.high, got.n) == pytest.approx((x.mean(), low, high, 5))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 20])
def test_iqm_is_the_quarter_trimmed_mean(n: int) -> None:
    x = np.random.default_rng(n).normal(size=n)
    assert iqm(x) == pytest.approx(stats.trim_mean(x, 0.25))


def test_bootstrap_error_agrees_with_scipy() -> None:
    x = np.random.default_rng(1).normal(size=12)
    got = interval([x], median)
    se = stats.bootstrap([x], np.median, n_resamples=9999, rng=np.random.default_rng(2)).standard_error
    assert (got.high - got.low) / 2 == pytest.approx(stats.t.ppf(0.975, 11) * se * np.sqrt(12 / 11), rel=0.06)


def test_two_environments_give_welchs_interval() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, 5), rng.normal(3, 4, 8)
    got = interval([x, y])
    low, high = stats.ttest_ind(x, -y, equal_var=False).confidence_interval(0.95)
    assert (got.value, got.low, got.high) == pytest.approx(((x.mean() + y.mean()) / 2, low / 2, high / 2))


@pytest.mark.parametrize("strata", [[[4.0]], [[7.0, 7.0, 7.0]], [[1.0, 2.0], [5.0]]])
@pytest.mark.parametrize("statistic", [mean, median, iqm])
def test_no_interval_without_spread(strata: list[list[float]], statistic: object) -> None:
    got = interval([np.array(x) for x in strata], statistic)
    assert got.low is None and got.high is None and np.isfinite(got.value)


def test_band_counts_only_what_is_there() -> None:
    values = np.array([[1.0, 2.0, np.nan], [3.0, np.nan, np.nan]])
    centre, low, high, count = mean_band(values)
    assert count.tolist() == [2, 1, 0]
    assert centre[:2].tolist() == [2.0, 2.0] and np.isnan(centre[2])
    expected = interval([values[:, 0]])
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))
    assert np.isnan(low[1:]).all()


def test_improvement_is_mann_whitney() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 6, 7).astype(float), rng.integers(0, 6, 9).astype(float)
    got, back = improvement([x], [y]), improvement([y], [x])
    assert got.value == pytest.approx(stats.mannwhitneyu(x, y).statistic / 63)
    assert (got.value, got.low, got.high) == pytest.approx((1 - back.value, 1 - back.high, 1 - back.low), abs=1e-3)


def test_improvement_keeps_its_doubts_when_every_run_wins() -> None:
    got = improvement([np.arange(5.0) + 10], [np.arange(5.0)])
    assert got.value == 1 and got.high == 1 and 0.5 < got.low < 0.8
    assert improvement([np.array([1.0])], [np.arange(5.0)]).low is None


def test_profile_is_wilsons() -> None:
    share, low, high = profile(np.array([0.2, 0.4, 0.9, 1.1]), np.array([0.0, 0.5, 2.0]))
    assert share.tolist() == [1, 0.5, 0]
    ci = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (low[1], high[1]) == pytest.approx((ci.low, ci.high))


@pytest.mark.parametrize("n", [5, 10, 20])
def test_coverage_on_normal_runs(n: int) -> None:
    x = np.random.default_rng(n).normal(size=(4000, n))
    _, low, high, _ = mean_band(x.T)
    assert 0.935 < np.mean((low <= 0) & (high >= 0)) < 0.965


def test_printed_coverage_is_what_is_measured() -> None:
    table = json.loads(files("il.report").joinpath("coverage.json").read_text())
    rng = np.random.default_rng(9)
    for n in (5, 20):
        hits = [i.low <= 0 <= i.high for i in (interval([x], iqm) for x in rng.normal(size=(800, n)))]
        assert np.mean(hits) == pytest.approx(table["normal"]["iqm"][str(n)], abs=0.03)
