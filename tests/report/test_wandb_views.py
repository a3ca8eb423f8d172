"""The specifications of W&B's views, built with the real package; saving goes to a stand-in, not to the service."""

import json

import pytest

from il.errors import ConfigError
from il.report.commands import main
from tests.loggers import wandb_service
from tests.loggers.conftest import home  # noqa: F401 - an empty home for every test here
from tests.loggers.wandb_service import WandbService

pytest.importorskip("wandb_workspaces", reason="needs the extra views")


@pytest.fixture
def two_kinds(make_run, tmp_path):
    for beta in (0.1, 0.2):
        for seed in (1, 2):
            path = make_run(tmp_path / f"x/{beta},{seed}", [1.0, beta], seed=seed, config={"algo": {"beta": beta}})
            record = json.loads((path / "run.json").read_text())
            (path / "run.json").write_text(json.dumps({**record, "wandb_id": f"id{beta}{seed}"}))
    return tmp_path / "x"


def panels(section):
    return [(panel["viewType"], panel["config"]) for panel in section["panels"]]


def test_workspace_compares_the_same_runs_in_the_same_groups(two_kinds, capsys):
    main([str(two_kinds), "figures=[]", "wandb=true"])
    assert "not uploaded to W&B: no API key" in capsys.readouterr().out
    spec = json.loads((two_kinds / "wandb/workspace.json").read_text())["spec"]["section"]
    sections = {section["name"]: panels(section) for section in spec["panelBankConfig"]["sections"]}
    assert list(sections) == ["Learning", "Final figures", "Parameters", "Videos"]
    assert [config["xAxis"] for _, config in sections["Learning"]] == ["round", "env_steps", "expert_labels"]
    for _, config in sections["Learning"]:
        assert config["metrics"][0] == "eval/return_mean"
        assert (config["groupBy"], config["groupAgg"], config["groupArea"]) == ("group", "mean", "stderr")
    assert sections["Parameters"][0][1]["xAxis"] == "config:algo.value.beta"
    assert "video" in json.dumps(sections["Videos"])
    runs = json.dumps(spec["runSets"])
    assert all(f"id{beta}{seed}" in runs for beta in (0.1, 0.2) for seed in (1, 2)) and '"group"' in runs


def test_report_quotes_the_table_and_needs_no_account_to_be_built(two_kinds):
    main([str(two_kinds), "figures=[]", "wandb=true"])
    text = (two_kinds / "wandb/report.json").read_text()
    assert "interquartile mean" in text and "beta=0.1" in text and "panelGrid" not in json.loads(text)["spec"]["blocks"]


def saved(service, variables):
    service.views.append(variables)
    view = {"id": "Vmlldzox", "name": variables["name"], "type": variables.get("type"), "spec": variables["spec"]}
    more = {"displayName": variables["displayName"], "description": "", "updatedAt": "2026-01-01T00:00:00"}
    project = {"id": "P", "name": variables["projectName"], "entityName": variables["entityName"]}
    return {"upsertView": {"view": {**view, **more, "project": project}, "inserted": True}}


def test_both_are_saved_where_there_is_a_key(two_kinds, monkeypatch, capsys):
    more = {
        "UpsertView2": saved,
        "upsertView": saved,
        "GetProjects": lambda service, variables: {
            "models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": False}}
        },
        "CreateProject": lambda service, variables: {"upsertModel": {"project": None, "model": None, "inserted": True}},
        "ProjectInternalId": lambda service, variables: {"project": {"internalId": "UHJvamVjdDox"}},
    }
    for name, answer in more.items():
        monkeypatch.setitem(wandb_service._OPERATIONS, name, answer)
    with WandbService() as service:
        service.views = []
        monkeypatch.setenv("WANDB_BASE_URL", service.url)
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
        monkeypatch.setenv("WANDB_ENTITY", "me")
        main([str(two_kinds), "figures=[]", "wandb=true"])
        assert service.unknown == []
        assert len(service.views) == 2 and {view["entityName"] for view in service.views} == {"me"}
        assert "eval/return_mean" in service.views[1]["spec"] and "/me/" in capsys.readouterr().out
        service.fault = lambda what: 400 if what == "UpsertView2" else None
        with pytest.raises(ConfigError, match="did not take the workspace"):
            main([str(two_kinds), "figures=[]", "wandb=true"])
