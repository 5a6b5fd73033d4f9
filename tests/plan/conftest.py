"""What the tests of planning share."""

import pytest
from ganbench import registry


@pytest.fixture(scope="module")
def plugins():
    return registry.load()
