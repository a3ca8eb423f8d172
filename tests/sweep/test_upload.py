"""What is logged offline on nodes reaches W&B."""

from dataclasses import replace

import pytest

from il.sweep.commands import main
from il.sweep.record import Entry, Sweep
from il.sweep.upload import fragments
from tests.loggers.conftest import rows


@pytest.fixture
def sweep(tmp_path, another, make):
    """A finished run in two starts, and one that has logged nothing."""
    sweep = Sweep(tmp_path)
    for number, name in enumerate(["run1", "run2"]):
        run = another(number + 1)
        (run.dir / "run.json").write_text('{"status": "ok"}')
        sweep.add(Entry(name, id="1"))
        if name == "run1":
            for start, resumed in ((0, False), (2, True)):
                logger = make("wandb", mode="offline", system_metrics=False)
                logger.start(replace(run, resumed=resumed))
                for row in rows(2, start):
                    logger.log(row)
                logger.finish("ok")
    return sweep


def test_sync_uploads_all_starts_as_one_run_and_says_what_is_missing(sweep, service, capsys):
    with pytest.raises(SystemExit, match="1"):
        main(["sync", str(sweep.dir)])
    assert capsys.readouterr().out.splitlines() == ["there    run1", "missing  run2  has no W&B logs"]
    assert service.runs["id1"].history("round") == [0, 1, 2, 3]
    assert not fragments(sweep.dir / "run1")


def test_a_dead_service_costs_the_limit_and_is_named(sweep, service, capsys):
    service.fault = lambda what: 0
    with pytest.raises(SystemExit, match="1"):
        main(["sync", str(sweep.dir), "timeout=4", "tries=1"])
    assert "missing  run1  no end after 4 s" in capsys.readouterr().out
    assert len(fragments(sweep.dir / "run1")) == 2
