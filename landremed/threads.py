"""How many threads this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, cast

__all__ = ["ahead", "in_threads", "limit_threads", "usable_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_limit: list[int] = []


def usable_threads() -> int:
    """Return the number of threads worth starting: all cores, unless ``limit_threads`` said otherwise."""
    return _limit[-1] if _limit else os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Use so many threads from now on, where several processes share the cores; Arrow's pools included."""
    import pyarrow as pa

    _limit[:] = [max(1, count)]
    pa.set_cpu_count(_limit[0])
    pa.set_io_thread_count(_limit[0])


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], most: int | None = None
) -> list[Result]:
    """Return what a function gives for items, in their order, worked on by all threads worth starting.

    ``most`` is the number of items worked on at a time where that takes memory.
    """
    listed = list(items)
    count = min(most or usable_threads(), usable_threads(), len(listed))
    if count < 2:
        return [function(item) for item in listed]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, listed))


@contextmanager
def ahead(items: Iterable[Item]) -> Iterator[Iterator[Item]]:
    """Give an iterator over items, the next of which is made in a thread while one is in use."""
    source = iter(items)
    end = object()

    def taken(waiting: Future[Item | object]) -> Iterator[Item]:
        while (item := waiting.result()) is not end:
            waiting = maker.submit(next, source, end)
            yield cast(Item, item)
            del item  # may be large

    with ThreadPoolExecutor(1) as maker:
        try:
            yield taken(maker.submit(next, source, end))
        finally:
            maker.submit(getattr(source, "close", lambda: None))  # in the thread that began it
