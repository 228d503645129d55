import pytest

from convnext_dense.benchmark import timing


@pytest.fixture
def two_rounds(monkeypatch):
    """Enough to see that what agrees is timed."""
    monkeypatch.setattr(timing, 'LEAST_ROUNDS', 2)
    monkeypatch.setattr(timing.gc, 'collect', lambda: 0)
