import pytest

from tests.loggers.conftest import another, home, info, make, service  # noqa: F401 - what is logged goes to W&B
from tests.sweep.commands import Commands


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)
