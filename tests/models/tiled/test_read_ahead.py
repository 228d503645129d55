"""Items are prepared in one thread, ahead of their use, in order."""

import threading

import pytest

from convnext_dense.models.tiled.read_ahead import ReadAhead


def test_items_are_prepared_once_in_their_order_and_some_ahead():
    prepared, threads = [], set()

    def prepare(item):
        prepared.append(item)
        threads.add(threading.current_thread())
        return -item

    with ReadAhead(prepare, range(1, 8), 2) as ahead:
        assert ahead.take([1, 2, 3]) == [-1, -2, -3]
        assert ahead.take([4]) == [-4]
        assert ahead.take([5, 6, 7]) == [-5, -6, -7]
        assert prepared == [*range(1, 8)] and len(threads) == 1
    assert not threads.pop().is_alive()


def test_no_more_is_prepared_than_is_soon_needed():
    prepared = []
    with ReadAhead(prepared.append, range(1000), 3) as ahead:
        ahead.take([0, 1])
    assert len(prepared) <= 5


def test_others_than_the_next_items():
    with ReadAhead(abs, range(5), 2) as ahead:
        with pytest.raises(ValueError, match=r'^the next items are \[0\], not \[1\]$'):
            ahead.take([1])
        with pytest.raises(ValueError, match='not'):
            ahead.take(range(1, 9))


def test_an_error_is_that_of_the_item():
    def prepare(item):
        return 1 / item

    with ReadAhead(prepare, [1, 0, 2], 1) as ahead:
        assert ahead.take([1]) == [1]
        with pytest.raises(ZeroDivisionError):
            ahead.take([0])
        assert ahead.take([2]) == [0.5]
