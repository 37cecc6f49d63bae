"""Work in threads."""

import threading

import pytest

from landremed.threads import ahead


def numbers(count, where, *, fails=False):
    where.append(threading.current_thread())
    try:
        yield from range(count)
        if fails:
            raise ValueError("no more")
    finally:
        where.append(threading.current_thread())


def test_items_in_order_from_another_thread():
    where = []
    with ahead(numbers(100, where)) as items:
        assert list(items) == list(range(100))
    assert where[0] is where[1]
    assert where[0] is not threading.current_thread()


def test_a_fault_comes_after_what_was_made():
    with ahead(numbers(5, [], fails=True)) as items:
        assert [next(items) for _ in range(5)] == list(range(5))
        with pytest.raises(ValueError, match="no more"):
            next(items)


def test_given_up_in_the_middle():
    where = []
    with ahead(numbers(10**9, where)) as items:
        assert next(items) == 0
    assert len(where) == 2
    assert where[0] is where[1]
    assert not where[0].is_alive()
