from types import ModuleType

import pytest

from tests.helpers.ops import stand_in


@pytest.fixture
def ext() -> ModuleType:
    """The stand-in for ``mmcv._ext``."""
    return stand_in()
