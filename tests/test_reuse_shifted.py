"""Rows that stand elsewhere than in the earlier run, while shapes, features and evidence change too."""

import pytest
from test_reuse import District, same_files

import landremed
from landremed import measure
from landremed.overlay.native import engine as native
from landremed.reuse import Reuse

EDITS = [
    ["added", "added", "removed", "moved", "evidence"],
    ["reordered", "added", "feature moved", "evidence"],
    ["removed", "removed", "removed", "features reordered", "attribute"],
    ["added", "reordered", "removed", "feature removed", "evidence", "moved"],
]


@pytest.mark.parametrize(("seed", "engine"), [(21, "native"), (22, "native"), (23, "shapely")])
def test_shifted_rows_give_what_a_full_run_gives(tmp_path, monkeypatch, seed, engine):
    monkeypatch.setattr(measure, "CHUNK", 17)  # parcels move from one chunk into another
    monkeypatch.setattr(native, "RANGE", 5)
    district = District(seed)
    previous = tmp_path / "previous.gpkg"
    landremed.run(district.write(tmp_path / "first"), previous, engine=engine, reuse=Reuse())
    for step, kinds in enumerate(EDITS):
        for kind in kinds:
            district.edit(kind)
        project = district.write(tmp_path / str(step))
        full, partly = tmp_path / f"full{step}.gpkg", tmp_path / f"partly{step}.gpkg"
        landremed.run(project, full, engine=engine)
        told = landremed.run(project, partly, engine=engine, reuse=Reuse(previous)).reuse
        same_files(full, partly)
        assert told["measured"] > 0
        if step == 0:  # no feature changed
            assert told["measured"] < 10 < told["reused"]
            assert told["decided"] < 10 < told["rows_reused"]
        previous = partly
