"""``landremed check``: look at parcels, layers and evidence before anything is measured or decided.

Every finding has a stable code (``docs/findings.md``), a row, and where there is one a place to zoom to.
"""

from __future__ import annotations

from landremed.checks.project_files import CheckResult, check_project
from landremed.checks.result_file import damaged_file

__all__ = ["CheckResult", "check_project", "damaged_file"]
