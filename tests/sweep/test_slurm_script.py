"""What is submitted, as text; no cluster needed."""

import re
import sys
from pathlib import Path

from tests.sweep.commands import ROOT

GOLDEN = Path(__file__).with_name("sbatch.golden")


def normal(text, cwd):
    """Return a script without what differs from machine to machine."""
    script = text[text.index("#!/bin/bash") : text.index("\n0  ")]
    return script.replace(sys.executable, "PYTHON").replace(str(cwd), "CWD").replace(str(ROOT), "ROOT")


def dry_run(commands, *overrides, code=0):
    return commands.sweep("hydra/launcher=slurm", "hydra.launcher.dry_run=true", *overrides, dir="out/a b", code=code)


def test_the_script_is_the_golden_one_and_nothing_is_submitted(commands):
    commands.knobs = ()
    commands.env |= {"PYTHONPATH": str(ROOT)}
    commands.env.pop("WANDB_MODE", None)
    knobs = (
        "partition=gpu account=me qos=low constraint=a100 timeout_min=90 cpus_per_task=2 mem_gb=1.5 gpus_per_node=1 "
        "array_parallelism=2 signal_delay_s=60"
    ).split()
    lists = ["hydra.launcher.setup_lines=['module load cuda']", "+hydra.launcher.sbatch.exclude=n7"]
    output = dry_run(commands, *(f"hydra.launcher.{knob}" for knob in knobs), *lists, "seed=1,2,3")
    assert normal(output, commands.cwd) == GOLDEN.read_text()
    assert "0  seed=1  seed=1" in output and "nothing was submitted" in output
    assert not (commands.cwd / "out").exists()


def test_nulls_are_left_to_the_cluster(commands):
    commands.knobs = ()
    script = dry_run(commands, "hydra.launcher.mem_gb=null", "seed=1")
    assert not re.search("--(mem|partition|account|qos|gpus|constraint|array|wckey)", script)


def test_knobs_are_checked(commands):
    commands.knobs = ()
    output = dry_run(commands, "hydra.launcher.partitoin=gpu", code=1)
    assert "partitoin" in output and "SlurmLauncher" in output
    assert "could not be converted to Integer" in dry_run(commands, "hydra.launcher.timeout_min=long", code=1)


def test_a_missing_key_is_reported_at_launch(commands):
    commands.knobs = ()
    knobs = ["logger=wandb", "hydra/launcher=slurm", "hydra.launcher.dry_run=true", "seed=1,2", "-m"]
    script = ROOT / "launch.py"
    assert "export WANDB_MODE=offline" in commands.run(*knobs, script=script)
    output = commands.run("logger.wandb.mode=online", *knobs, code=2, script=script)
    assert "there is no API key" in output.splitlines()[-1]
