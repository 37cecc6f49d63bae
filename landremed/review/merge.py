"""Merging packages from the field into a result: any order, any number, twice is once, nothing lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landremed.errors import InputError, Where
from landremed.io.gpkg import check_target, replace_whole
from landremed.io.sqlite_read import open_to_read
from landremed.review.apply import Additions, Applied, apply_reviews
from landremed.review.basis import read_basis
from landremed.review.field import FieldPackage
from landremed.review.incoming import read_incoming
from landremed.review.pack import base_hash
from landremed.review.records import Problem
from landremed.review.store import prepared, read_problems
from landremed.text import default_severity

__all__ = ["Merged", "merge_reviews"]


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes
    ----------
    changes, clashes, overrules : list of mapping
        Rows of the review tables after the merge.
    problems, new_problems : list of Problem
        All, and those this merge met first.
    """

    added: int
    reviews: int
    changes: list[dict[str, Any]]
    clashes: list[dict[str, Any]]
    overrules: list[dict[str, Any]]
    problems: list[Problem]
    new_problems: list[Problem]

    @property
    def status(self) -> int:
        """3 when an open clash or a new problem needs a look, else 0."""
        telling = [p for p in self.new_problems if default_severity(p.code) != "info"]
        return 3 if telling or any(not row["settled"] for row in self.clashes) else 0

    def document(self) -> dict[str, Any]:
        """Return it for machines."""
        counts = {
            "added": self.added,
            "reviews": self.reviews,
            "changed": len(self.changes),
            "clashes": sum(not row["settled"] for row in self.clashes),
            "overrules": len(self.overrules),
            "problems": len(self.problems),
        }
        problems = [
            {
                "parcel_id": p.parcel_id,
                "code": p.code,
                "field": p.field,
                "value": p.value,
                "package": p.package,
            }
            for p in self.problems
        ]
        return {
            "schema_version": 1,
            "status": self.status,
            "counts": counts,
            "changes": self.changes,
            "clashes": self.clashes,
            "overrules": self.overrules,
            "problems": problems,
        }


def merge_reviews(
    result: Path | str, packages: Iterable[Path | str] = (), *, dry_run: bool = False
) -> Merged:
    """Take what people wrote in packages, and in the result itself, into the result.

    Parameters
    ----------
    result : path
        Result GeoPackage; it is replaced only when the new one is complete and sound.
    packages : iterable of path
        Packages of ``pack_reviews``: GeoPackages, folders, zips or workbooks; ``*.txt`` with boundary points.
    dry_run : bool
        Tell what would change, and write nothing.

    Raises
    ------
    InputError
        A file is missing, damaged, or not what it should be.
    OutputError
        The result is open elsewhere, or cannot be replaced.
    """
    path = Path(result)
    opened = read_basis(path)
    if "reviews" not in opened.layers:
        raise InputError("result_without_reviews", Where(file=str(path)))
    if opened.book is None:
        raise InputError(
            "review_no_rulebook", Where(file=str(path)), rules=opened.provenance.get("rules", "")
        )
    new = Additions()
    crs, base = opened.provenance.get("crs", ""), base_hash(opened.provenance)
    for name in packages:
        package = read_incoming(Path(name), crs, base)
        _require_same_crs(Path(name), package, crs)
        new.reviews += package.reviews
        new.boundaries += package.boundaries
        new.problems += package.problems
        if package.base != base:
            new.problems.append(Problem("", "package_older", package.package_id))
    with closing(prepared(open_to_read(path))) as db:
        before = set(read_problems(db))
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="landremed-") as folder:
            copy = Path(folder) / path.name
            shutil.copyfile(path, copy)
            return _merged(apply_reviews(copy, new), before)
    check_target(path, overwrite=True)
    with replace_whole(path) as temp:
        shutil.copyfile(path.resolve(), temp)
        applied = apply_reviews(temp, new)
    return _merged(applied, before)


def _merged(applied: Applied, before: set[Problem]) -> Merged:
    return Merged(
        added=applied.added,
        reviews=applied.reviews,
        changes=applied.changes,
        clashes=applied.state.clashes,
        overrules=applied.state.overrules,
        problems=applied.problems,
        new_problems=[p for p in applied.problems if p not in before],
    )


def _require_same_crs(path: Path, package: FieldPackage, crs: str) -> None:
    if package.crs != crs:
        raise InputError("package_other_crs", Where(file=str(path)), here=package.crs, there=crs)
