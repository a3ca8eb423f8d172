import pytest

from tests.sweep.commands import Commands


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)
