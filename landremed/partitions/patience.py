"""Questions to others, to which an answer might never come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["in_time"]


def in_time(seconds: float, question: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return the answer to a question that might never come.

    Raises
    ------
    TimeoutError
        It did not come in so many seconds.
    """
    said: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            said.put((question(*args, **options), None))
        except BaseException as error:
            said.put((None, error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer, error = said.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer in {seconds:g} s") from None
    if error is not None:
        raise error
    return answer
