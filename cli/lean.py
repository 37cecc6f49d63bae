"""Starting without pandas, which takes longer to import than everything else together.

pyarrow and pyogrio look for pandas and geopandas when they are imported, and import them where they are
installed. Runs use neither; whoever asks for a data frame later still gets one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["import_without_pandas"]

_LEFT_OUT = frozenset({"pandas", "geopandas"})


class _Absent:
    """A finder to which some packages are not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse the packages that are left out; leave others to the finders behind."""
        if name in _LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def _without_pandas() -> Iterator[None]:
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def import_without_pandas() -> None:
    """Import pyarrow and pyogrio without pandas, unless that is there already."""
    if not _LEFT_OUT.isdisjoint(sys.modules) or "pyogrio" in sys.modules:
        return
    with _without_pandas():
        import pyarrow as pa
        import pyogrio  # noqa: F401

        pa.array([None])  # now it is looked for, once
