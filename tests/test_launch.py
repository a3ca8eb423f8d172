"""The command line as a user types it."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from il.command_line import overrides_first
from tests.conftest import ROOT, SMALL, rows, weights

LAUNCH = str(ROOT / "launch.py")


def launch(*argv: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run launch.py in a process of its own, from another folder."""
    command = [sys.executable, LAUNCH, *argv]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, env=environment, check=False)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("algo=dagger env=ant -m seed=1,2,3", "algo=dagger env=ant seed=1,2,3 -m"),
        ("-m algo=bc,dagger seed=4 --multirun", "algo=bc,dagger seed=4 -m --multirun"),
        ("--cfg job algo=bc -p algo", "algo=bc --cfg job -p algo"),
        ("-cd extra/seed=9 seed=1 -cn other", "seed=1 -cd extra/seed=9 -cn other"),
        ("--info searchpath algo=bc", "algo=bc --info searchpath"),
        ("--cfg=job --resolve +new.key=1 ~fail", "+new.key=1 ~fail --cfg=job --resolve"),
    ],
)
def test_overrides_come_before_flags_and_flags_keep_their_values(argv: str, expected: str) -> None:
    assert overrides_first(argv.split()) == expected.split()


def test_a_sweep_in_the_order_the_readme_has_it_equals_single_runs(tmp_path: Path) -> None:
    sweep = launch("algo=dagger", *SMALL, f"hydra.sweep.dir={tmp_path}/sweep", "-m", "seed=1,2", cwd=tmp_path)
    assert sweep.returncode == 0, sweep.stderr
    alone = launch("algo=dagger", *SMALL, f"outputs_dir={tmp_path}", "out=alone", "seed=2", cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    jobs = {json.loads(p.read_text())["name"]: p.parent for p in (tmp_path / "sweep").glob("*/run.json")}
    assert len(jobs) == 2
    inside = next(path for name, path in jobs.items() if name.endswith("s2"))
    assert rows(inside) == rows(tmp_path / "alone") and weights(inside) == weights(tmp_path / "alone")
    again = launch("algo=dagger", *SMALL, f"outputs_dir={tmp_path}", "out=alone", "seed=2", cwd=tmp_path)
    assert again.returncode == 0 and "round 0 " in again.stdout  # shows the finished run's table
    resumed = launch(f"resume={tmp_path}/alone", cwd=tmp_path)
    assert resumed.returncode == 0 and rows(tmp_path / "alone") == rows(inside)


def test_help_and_cfg_import_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'torch', 'mujoco', 'gymnasium', 'wandb', 'numpy'} & set(sys.modules)"
    for argv in (["--help"], ["--cfg", "job", "algo=dagger"]):
        program = (
            f"import sys, runpy, atexit; sys.argv = [{LAUNCH!r}, *{argv}]; "
            f"atexit.register(lambda: print('HEAVY', {heavy})); runpy.run_path({LAUNCH!r}, run_name='__main__')"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False
        )
        assert "HEAVY set()" in done.stdout, done.stdout[-300:] + done.stderr[-2000:]
        assert "dagger" in done.stdout


ERRORS = {
    "env=antt": "did you mean 'ant'",
    "algo=dager": "did you mean 'dagger'",
    "algo.betta=1": "did you mean 'beta'",
    "sed=1": "did you mean 'seed'",
    "+algo.new=1": "no such knob",
    "algo.beta=1.5": r"algo.beta=1.5: must lie in [0, 1]",
    "algo.rounds=0": "algo.rounds=0",
    "eval.episodes=0": "eval.episodes=0",
    "policy=gaussian": "policy=categorical",
    "device=cuda": "finds no CUDA device",
    "device=gpu": "device=gpu",
    "env=swimmer_typo": "no such env",
    "env=gym": "env.id has no default",
    "expert=cs285": "expert.path has no default",
    "env=gym env.id=MountainCar-v0": "no expert ships for MountainCar-v0",
    "expert=callable expert.path=math.sqroot": "did you mean 'sqrt'",
    "expert=callable expert.path=no.such": "cannot be imported: ModuleNotFoundError: No module named 'no'",
    "resume=nowhere": "there is no run.json",
    "policy.fit.lr=-1": "policy.fit.lr=-1",
}


@pytest.mark.parametrize("overrides", ERRORS)
def test_errors_are_one_line_and_leave_nothing(
    overrides: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [LAUNCH, *SMALL, f"outputs_dir={tmp_path}/o", *overrides.split()])
    for name in ("PYTHONPATH", "IL_ROOT", "IL_STAMP", "HYDRA_FULL_ERROR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what launch.py changes is put back
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(LAUNCH, run_name="__main__")
    code = stop.value.code
    message = capfd.readouterr().err
    assert code == 2 and message.startswith("error: ") and ERRORS[overrides] in message
    assert message.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_directory_of_another_run_is_refused(tmp_path: Path) -> None:
    assert launch(*SMALL, f"outputs_dir={tmp_path}", "out=a", "algo.rounds=1", cwd=tmp_path).returncode == 0
    other = launch(*SMALL, f"outputs_dir={tmp_path}", "out=a", "algo.rounds=1", "seed=5", cwd=tmp_path)
    assert other.returncode == 2 and "seed: 0 there, 5 here" in other.stderr
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("precious")
    strange = launch(*SMALL, f"outputs_dir={tmp_path}", "out=b", cwd=tmp_path)
    assert strange.returncode == 2 and "thesis.tex" in strange.stderr
    changed = launch(f"resume={tmp_path}/a", "algo.rounds=3", cwd=tmp_path)
    assert changed.returncode == 2 and "algo may not change" in changed.stderr


def test_an_unwritable_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = launch(*SMALL, f"outputs_dir={tmp_path}/file", cwd=tmp_path)
    assert done.returncode == 2 and "cannot be written" in done.stderr
