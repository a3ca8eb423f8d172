"""A real SLURM for the tests in this folder."""

import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.sweep.commands import Commands

SCRIPT = Path(__file__).parent / "slurm.sh"


class Machine:
    """The cluster's hardware, so to speak."""

    def __init__(self, directory):
        self.directory = directory

    def kill_node(self, name):
        """Take one node away: its daemon, its job steps and whatever they run, none of which says good-bye."""
        pids = [line.split()[1] for line in (self.directory / "pids").read_text().splitlines() if f"-{name} " in line]
        tasks = [p for p in Path("/proc").glob("[0-9]*") if f"SLURMD_NODENAME={name}\0".encode() in read(p / "environ")]
        mine = [p for p in tasks if f"SLURM_CONF={self.directory}".encode() in read(p / "environ")]
        parents = {read(p / "stat").rsplit(b")", 1)[1].split()[1].decode() for p in mine}
        steps = [pid for pid in parents if read(Path("/proc") / pid / "comm").startswith(b"slurmstepd")]
        for pid in [pids[-1], *steps, *(p.name for p in mine)]:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        subprocess.run(["scontrol", "update", f"nodename={name}", "state=down", "reason=test"], check=True)

    def start_node(self, name):
        """Bring it back."""
        subprocess.run([SCRIPT, "node", self.directory, name], check=True)


def read(path):
    """Return what a file of /proc holds; processes come and go."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def cluster(directory, port, **knobs):
    """Start a SLURM and set SLURM_CONF for this process and its children; skip where that is not to be had."""
    if os.getuid() != 0:
        pytest.skip("a SLURM of our own needs root")
    knobs = {f"CLUSTER_{key.upper()}": str(value) for key, value in knobs.items()}
    environment = {**os.environ, "CLUSTER_PORT": str(port), **knobs}
    try:
        done = subprocess.run([SCRIPT, "up", directory], env=environment, capture_output=True, text=True, timeout=240)
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no SLURM here: {error}")
    if done.returncode:
        subprocess.run([SCRIPT, "down", directory], check=False)
        pytest.skip(f"no SLURM here: {done.stderr.strip()[-300:]}")
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = f"{directory}/slurm.conf"
    try:
        yield Machine(directory)
    finally:
        subprocess.run([SCRIPT, "down", directory], check=False)
        del os.environ["SLURM_CONF"]
        if before is not None:
            os.environ["SLURM_CONF"] = before


PORT = 17600 + 40 * (os.getpid() % 300)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Four nodes of four CPUs with accounting; arrays of at most 81 jobs."""
    with cluster(tmp_path_factory.mktemp("slurm") / "a", PORT, array=81) as machine:
        yield machine


@pytest.fixture(scope="session")
def slurm_without_accounting(tmp_path_factory, slurm):
    """Another cluster, whose sacct fails."""
    with cluster(tmp_path_factory.mktemp("slurm") / "b", PORT + 20, accounting=0):
        yield


class Cluster(Commands):
    """Commands that submit, with little memory so that many jobs fit, and look at the queue often."""

    knobs = (
        "hydra/launcher=slurm",
        "hydra.launcher.mem_gb=0.4",
        "hydra.launcher.poll_s=1",
        "hydra.launcher.timeout_min=30",
    )

    def slurm(self, *command):
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout

    def id(self, name, dir="out"):
        return self.rows(dir)[name].id


@pytest.fixture
def commands(tmp_path, slurm):
    return Cluster(tmp_path)
