"""`il sweep status|resume|cancel|sync DIR`."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace

from il.errors import ConfigError, nearest
from il.sweep import cluster
from il.sweep.record import Sweep, with_overrides
from il.sweep.status import ENDED_BADLY, Row, rows
from il.sweep.table import table
from il.sweep.upload import fragments, upload

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
    watch = _options(options, watch="false")["watch"] == "true"
    while True:
        now = current(sweep)
        print("\033[H\033[J" * (watch and sys.stdout.isatty()) + table(now), flush=True)
        for row in now:
            if row.state in ENDED_BADLY and row.log:
                print(f"output of {row.name}: {sweep.dir / row.log}")
        if not watch or not any(row.active for row in now):
            return
        try:
            time.sleep(2)
        except KeyboardInterrupt:
            return


def current(sweep: Sweep) -> list[Row]:
    """Return the table; what waits in a launcher on this machine is pending."""
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
    _options(options)
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
    """Upload to Weights & Biases what the jobs have logged offline; say what is missing there afterwards."""
    given = _options(options, timeout="120", tries="3")
    try:
        timeout, tries = float(given["timeout"]), int(given["tries"])
    except ValueError:
        raise ConfigError(f"{' '.join(options)}: timeout is a number of seconds, tries a whole number") from None
    missing = 0
    for row in rows(sweep):
        run = sweep.dir / row.name
        if row.active:
            problem = f"{row.state}: later"
        elif not fragments(run):
            problem = "" if any(run.glob("wandb/*run-*")) else "has no W&B logs"
        else:
            problem = upload(run, timeout, tries)
        missing += bool(problem)
        print(f"{'missing' if problem else 'there':<8} {row.name}  {problem}".rstrip(), flush=True)
    if missing:
        raise SystemExit(1)


def _options(given: list[str], **known: str) -> dict[str, str]:
    """Return the options ``key=value`` over their defaults."""
    for option in given:
        key, equals, value = option.partition("=")
        if key not in known or not equals:
            has = ", ".join(f"{k}={v}" for k, v in known.items()) or "none"
            raise ConfigError(f"{option}: no such option{nearest(key, known)}; there are: {has}")
        known[key] = value
    return known
