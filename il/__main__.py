"""Tools for data and finished runs: ``python -m il report|eval|sweep|demos … key=value``."""

import sys
from importlib import import_module

from il.errors import ConfigError, nearest

COMMANDS = {
    "report": ("il.report.commands", "compare runs: one page, figures and tables", "report DIR… group=algo.beta"),
    "eval": ("il.evaluation.commands", "measure finished runs again", "eval RUN episodes=100 obs_noise=0,0.1"),
    "sweep": ("il.sweep.commands", "status, resume, cancel or sync a sweep", "sweep status DIR"),
    "demos": ("il.demos.commands", "collect, describe, convert or merge recorded episodes", "demos info path=FILE"),
}
"""By name: the module whose ``main(arguments)`` runs it, what it does, an example."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        for name, (_, about, example) in COMMANDS.items():
            print(f"python -m il {name:<8}{about}\n{'':<21}e.g. python -m il {example}")
        return 0
    name, *rest = arguments
    try:
        if name not in COMMANDS:
            raise ConfigError(f"il {name}: no such command{nearest(name, COMMANDS)}; there are {', '.join(COMMANDS)}")
        code: int | None = import_module(COMMANDS[name][0]).main(rest)
        return code or 0
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
