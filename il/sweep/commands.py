"""`il sweep status|resume|cancel|sync DIR`."""

import os
import signal
import socket
import subprocess
import sys
import time

from il.errors import ConfigError, nearest
from il.sweep import cluster
from il.sweep.record import Sweep, with_overrides
from il.sweep.status import Row, rows
from il.sweep.table import table

USAGE = "usage: il sweep status|resume|cancel|sync DIR [key=value …]"


def main(overrides: list[str]) -> None:
    """Run one of the commands.

    Args:
        overrides: command, directory and options: ``status DIR watch=true``; what follows ``resume DIR`` goes to the
            sweep's own command (``hydra.launcher.mem_gb=8``, ``seed=1,2,3,4``).

    Raises:
        ConfigError: when there is no such command or sweep.
        SystemExit: with the exit code, when it is not zero.
    """
    commands = {"status": status, "resume": resume, "cancel": cancel, "sync": sync}
    if len(overrides) < 2 or "=" in overrides[0]:
        raise ConfigError(USAGE)
    name, directory, *options = overrides
    if name not in commands:
        raise ConfigError(f"there is no `il sweep {name}`{nearest(name, commands)}; {USAGE}")
    try:
        commands[name](Sweep.open(directory), options)
    except cluster.ClusterError as error:
        raise ConfigError(f"the cluster does not answer: {error}") from None


def status(sweep: Sweep, options: list[str]) -> None:
    """Print the table; with ``watch=true`` keep it up to date until all jobs have ended or ctrl-C."""
    watch = _switch(options, "watch")
    while True:
        now = current(sweep)
        print("\033[H\033[J" * (watch and sys.stdout.isatty()) + table(now), flush=True)
        if not watch or not any(row.active for row in now):
            return
        try:
            time.sleep(2)
        except KeyboardInterrupt:
            return


def current(sweep: Sweep) -> list[Row]:
    """Return the table; what waits in a launcher on this machine is pending."""
    from dataclasses import replace

    now = rows(sweep)
    if sweep.busy():
        now = [replace(row, state="pending", reason="") if row.state == "missing" else row for row in now]
    return now


def resume(sweep: Sweep, options: list[str]) -> None:
    """Run the sweep's command again in its directory: what is done or under way is left alone."""
    launch = next((launch for launch in reversed(sweep.launches()) if "command" in launch), None)
    if launch is None:
        raise ConfigError(f"{sweep.dir} does not say how it was launched (no sweep.json)")
    command = [sys.executable, *with_overrides(launch["command"], [sweep.override, *options])]
    environment = {**os.environ, **({"IL_STAMP": launch["stamp"]} if launch["stamp"] else {})}
    cwd = launch["cwd"] if os.path.isdir(launch["cwd"]) else None
    done = subprocess.run(command, cwd=cwd, env=environment, check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def cancel(sweep: Sweep, options: list[str]) -> None:
    """End the jobs that run or wait: on a cluster by scancel, on this machine by asking their launcher to stop."""
    _refuse(options)
    active = [row for row in rows(sweep) if row.active]
    remote = [row.id for row in active if not row.id.startswith("local:")]
    cluster.cancel(remote)
    launch = (sweep.launches() or [{}])[-1]
    local = len(active) - len(remote)
    if local or sweep.busy():
        if launch.get("host") != socket.gethostname():
            raise ConfigError(f"its launcher is process {launch.get('pid')} on {launch.get('host')}; cancel it there")
        if sweep.busy():
            os.kill(launch["pid"], signal.SIGTERM)
    print(f"{len(remote)} cluster jobs cancelled, {local} local jobs asked to stop")


def sync(sweep: Sweep, options: list[str]) -> None:
    """Upload to Weights & Biases what the nodes have logged offline."""
    raise NotImplementedError


def _switch(options: list[str], name: str) -> bool:
    """Return the boolean option `name`; false when it is not given."""
    value = False
    for option in options:
        key, _, text = option.partition("=")
        if key != name or text not in ("true", "false"):
            raise ConfigError(f"{option}: the option here is {name}=true or {name}=false")
        value = text == "true"
    return value


def _refuse(options: list[str]) -> None:
    if options:
        raise ConfigError(f"{options[0]}: this command takes no options")
