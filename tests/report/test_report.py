"""The whole report: its numbers against others computed from the files alone, its page against hostile input."""

import csv
import html.parser
import json
import re
import shutil
import subprocess
from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

from il.errors import ConfigError
from il.report.commands import load, main, parse
from il.report.figures import Chart, Line, learning
from il.report.svg import draw, ticks

PLAIN = ["figures=[]"]


def read_csv(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_numbers_equal_an_independent_computation(sweep):
    main([str(sweep), *PLAIN])
    finals, normalized = defaultdict(list), defaultdict(list)
    for summary in sweep.glob("*/summary.json"):
        env, algo, beta, _ = (part.partition("=")[2] for part in summary.parent.name.split(","))
        values = json.loads(summary.read_text())
        finals[env, algo, beta].append(values["test/last/return_mean"])
        normalized[algo, beta].append((env, values["test/last/normalized"]))
    rows = read_csv(sweep / "summary.csv")
    assert len(rows) == 12
    assert "python launch.py env=Hopper-v5 algo=dagger seed=4" in (sweep / "report.html").read_text()
    for row in rows[:8]:
        x = np.array(finals[row["facet"], row["algo"], row["algo.beta"] or "None"])
        low, high = stats.ttest_1samp(x, 0).confidence_interval(0.95)
        got = [float(row[k]) for k in ("mean", "mean_low", "mean_high", "median", "iqm", "n")]
        assert got == pytest.approx([x.mean(), low, high, np.median(x), stats.trim_mean(x, 0.25), 5])
    for row in rows[8:]:
        scores = normalized[row["algo"], row["algo.beta"] or "None"]
        by_env = [np.mean([v for e, v in scores if e == env]) for env in ("Ant-v5", "Hopper-v5")]
        assert float(row["mean"]) == pytest.approx(np.mean(by_env))
        assert float(row["iqm"]) == pytest.approx(stats.trim_mean([v for _, v in scores], 0.25))


def test_curves_average_rounds_exactly_and_steps_by_interpolation(make_run, tmp_path):
    make_run(tmp_path / "a", [0.0, 10.0, 20.0], seed=1, steps=1000)
    make_run(tmp_path / "b", [0.0, 20.0, 40.0, 60.0], seed=2, steps=1500)
    analysis = load([str(tmp_path)], parse([]))
    by_round, by_steps = (analysis.facets[0].curves[axis]["A"] for axis in ("round", "env_steps"))
    assert by_round.mean.tolist() == [0, 15, 30, 60] and by_round.reach.tolist() == [2, 2, 2, 1]
    assert by_steps.x[0] == 1500 and by_steps.x[-1] == 6000
    at = by_steps.x.tolist().index(3000)
    assert by_steps.mean[at] == pytest.approx((20 + 20) / 2) and by_steps.reach[at] == 2
    assert by_steps.mean[-1] == (20 + 60) / 2 and by_steps.reach[-1] == 1, "the shorter run keeps its last value"
    assert np.isnan(by_round.low[-1]), "one run has no interval"


def test_curves_of_the_best_policy_never_go_back_to_a_worse_one(make_run, tmp_path):
    make_run(tmp_path / "a", [0.0, 30.0, 20.0, 40.0], seed=1)
    make_run(tmp_path / "b", [10.0, 0.0, float("nan"), 20.0], seed=2)
    analysis = load([str(tmp_path)], parse(["output=best"]))
    assert analysis.facets[0].curves["round"]["A"].mean.tolist() == [5, 20, 20, 30]
    assert learning(analysis, analysis.facets[0])[0].title.startswith("best so far")


def test_pairs_and_levels(sweep):
    analysis = load([str(sweep)], parse(["env=Hopper-v5"]))
    facet = analysis.facets[0]
    x, y = (np.array(facet.rows[k].values) for k in (1, 3))
    assert facet.pairs["B", "D"].value == pytest.approx(stats.mannwhitneyu(x, y).statistic / 25)
    assert facet.levels == {"expert": 100, "random": 0} and analysis.overall is None
    levels = [level for level in learning(analysis, facet)[0].levels if level.letter]
    assert [level.letter for level in levels] == ["A"], "cloning has one round, so it is a horizontal line"
    assert levels[0].y == pytest.approx(facet.curves["round"]["A"].mean[0])


def test_many_groups_draw_the_best_and_list_all(make_run, tmp_path):
    for k in range(20):
        for seed in (1, 2):
            make_run(tmp_path / f"{k}-{seed}", [float(k + seed)] * 2, seed=seed, config={"algo": {"beta": k / 20}})
    analysis = load([str(tmp_path)], parse(["curves=5"]))
    assert analysis.drawn == list("PQRST") and len(analysis.facets[0].rows) == 20


def test_other_metrics(sweep):
    analysis = load([str(sweep)], parse(["metric=env_steps", "env=Ant-v5"]))
    assert analysis.facets[0].rows[1].mean.n == 0
    analysis = load([str(sweep)], parse(["metric=expert/return_mean", "env=Ant-v5"]))
    assert analysis.facets[0].rows[1].mean.value == 100


class Outline(html.parser.HTMLParser):
    """Collects what a browser would make of the page."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def crafted(make_run, tmp_path):
    """One seed, missing rounds, NaN, a failure, different lengths, a duplicate, hostile and very long names."""
    folder = tmp_path / "x"
    curve = [10.0, 20.0, 30.0, 40.0]
    make_run(folder / "single", curve, algo="bc")
    for seed in (1, 2, 3):
        some = [v + seed for v in curve[: 5 - seed]]
        make_run(folder / f"lengths{seed}", some, seed=seed, config={"algo": {"beta": 0.1}})
    make_run(folder / "nan1", [1.0, float("nan"), 3.0], seed=1, config={"algo": {"beta": 0.2}})
    make_run(folder / "nan2", curve, final=float("nan"), seed=2, config={"algo": {"beta": 0.2}})
    make_run(folder / "gap1", [1.0, 3.0], rounds=[0, 2], seed=1, config={"algo": {"beta": 0.3}})
    make_run(folder / "bad", curve, status="failed", error="<b>boom</b>", seed=2, config={"algo": {"beta": 0.3}})
    shutil.copytree(folder / "lengths1", folder / "copy")
    for seed in (1, 2):
        hostile = {"algo": {"beta": '"><script>alert(1)</script>'}}
        make_run(folder / f"<script>alert({seed})<%2Fscript>", curve, seed=seed, config=hostile)
        make_run(folder / f"long{seed}", curve, seed=seed, config={"algo": {"beta": "x" * 5000}})
    return folder


def test_crafted_runs_give_a_right_and_safe_page(crafted):
    main([str(crafted), "figures=[png]"])
    page = (crafted / "report.html").read_text()
    outline = Outline()
    outline.feed(page)
    assert not {"script", "b-boom", "iframe", "img", "link"} & set(outline.tags)
    assert not [v for k, v in outline.attributes if k.startswith("on") or (k in ("src", "href") and "//" in (v or ""))]
    assert "@import" not in page and "url(" not in page
    text = " ".join(outline.texts)
    assert "<b>boom</b>" in text and "alert(1)" in text
    rows = {row["label"]: row for row in read_csv(crafted / "summary.csv")}
    assert rows["bc"]["mean"] == "40.0" and rows["bc"]["mean_low"] == ""
    lengths = rows["dagger, beta=0.1"]
    assert float(lengths["mean"]) == pytest.approx((41 + 32 + 23) / 3) and lengths["n"] == "3"
    assert (rows["dagger, beta=0.2"]["n"], rows["dagger, beta=0.2"]["mean"]) == ("1", "3.0")
    assert (rows["dagger, beta=0.3"]["n"], rows["dagger, beta=0.3"]["planned"]) == ("1", "2")
    assert "±" not in text and "40 (one\u00a0run)" in text
    why = [row["why_not"] for row in read_csv(crafted / "runs.csv") if row["why_not"]]
    assert len(why) == 2 and len(read_csv(crafted / "runs.csv")) == 13
    longest = max(len(word) for t in outline.texts for word in t.split() if "{" not in t)
    assert longest in range(100, 6000), "the full name stands once, in the details"
    assert len(list((crafted / "figures").glob("*.png"))) >= 4


def test_page_is_valid_in_a_browser(crafted, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs a Chromium")
    main([str(crafted), *PLAIN])
    flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    more = f"--disable-component-update --disable-sync --user-data-dir={tmp_path / 'profile'} --window-size=1280,900"
    target = (crafted / "report.html").resolve().as_uri()
    command = [browser, *flags.split(), *more.split(), "--dump-dom", target]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "<h2>Method</h2>" in done.stdout
    assert "<script" not in done.stdout and done.stdout.count("<svg") >= 5


def test_figures_are_named_without_colour(sweep):
    analysis = load([str(sweep)], parse([]))
    drawing = draw(learning(analysis, analysis.facets[0])[0])
    assert set(re.findall(r'class="letter[^>]*>(\w)<', drawing)) == set("ABCD")
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)"', drawing))) == 3


def test_drawing_survives_odd_data():
    nan = np.full(3, np.nan)
    line = Line("A", 0, "<&>", np.arange(3.0), nan + 1, nan, nan, np.ones(3, bool))
    one = Line("B", 1, "b", np.array([5.0]), np.array([2.0]), np.array([1.0]), np.array([3.0]), np.ones(1, bool))
    drawing = draw(Chart("x", "<t>", "round", "y", lines=[line, one]))
    assert "nan" not in drawing and "<&>" not in drawing


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 12345), (1e-9, 2e-9), (0.1, 0.1000001), (-1e6, 1e7)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high, 5)
    slack = (high - low) * 1e-6
    assert 2 <= len(found) <= 11 and low - slack <= found[0] and found[-1] <= high + slack


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["status=okay"], "did you mean 'ok'"),
        (["curves=0"], "curves=0"),
        (["wandb=perhaps"], "neither true nor false"),
        (["nosuch=1"], "no run has the key 'nosuch'"),
        (["facet=nosuch"], "no run has the key 'nosuch'"),
    ],
)
def test_wrong_arguments(sweep, arguments, message):
    with pytest.raises(ConfigError, match=message):
        main([str(sweep), *arguments, *PLAIN])
    assert not (sweep / "report.html").exists()


def test_folders_named_like_overrides_are_folders(make_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        make_run(tmp_path / f"seed={seed}", [1.0, 2.0 + seed], seed=seed)
    main(["seed=1", "seed=2", "out=here", *PLAIN])
    assert "here/report.html" in capsys.readouterr().out
    assert read_csv(tmp_path / "here/summary.csv")[0]["n"] == "2"
    with pytest.raises(ConfigError, match="name a run"):
        main([])
