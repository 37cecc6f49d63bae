"""The benchmark's own parts: seeded data, checks that can fail, figures that survive a crash."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import shapely

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import contest as contests
from benchmarks import gates
from benchmarks.contest import Contest, load, run_all
from benchmarks.generate import make_parcels
from benchmarks.project import make_facts
from benchmarks.report import plot, summarise, table
from landremed.overlay.tables import OverlapTables

SQUARE = {"name": "other", "totals": {"a": 100.0}, "pieces": {"a": 2}}


def result(wall, name="landremed overlay"):
    return {"name": name, "wall": wall, "cpu": wall, "rss_mb": 10, "version": "1", "totals": {}, "pieces": {}}


def test_equal_seeds_equal_data():
    hot = np.array([[550_000.0, 4_300_000.0], [560_000.0, 4_310_000.0]])
    one, two = make_parcels(1, 300, hot), make_parcels(1, 300, hot)
    assert one.to_wkb().equals(two.to_wkb())
    assert not one.to_wkb().equals(make_parcels(2, 300, hot).to_wkb())
    assert shapely.is_valid(one.geometry.values).mean() > 0.9
    assert make_facts(1, 200).equals(make_facts(1, 200))
    assert make_facts(1, 200).shape == (200, 17)


def test_facts_are_words_of_the_vocabulary():
    from landremed.law import load_rulebook

    vocabulary = load_rulebook("binhai-2022").vocabulary
    for name, column in make_facts(1, 3000).items():
        assert name in vocabulary
        if vocabulary[name].kind == "code":
            assert set(column.dropna()) <= set(vocabulary[name].values)


def squares(shift=0.0):
    low = np.arange(0.0, 100.0, 10.0)
    return shapely.box(low + shift, 0, low + 6 + shift, 6)


def planted(monkeypatch, change):
    """Let the engine that is checked be wrong, and GEOS right."""
    right = gates.measure

    def measure(engine, parcels, tables):
        found = right("shapely", parcels, tables)
        return change(found) if engine == "native" else found

    monkeypatch.setattr(gates, "measure", measure)


def changed(found, factor=1.0, rows=slice(None)):
    overlaps = found.overlaps
    area = pa.array(overlaps["area_m2"].to_numpy() * factor)
    overlaps = overlaps.set_column(2, "area_m2", area)
    keep = np.arange(overlaps.num_rows)[rows]
    return OverlapTables(found.parcel_area, overlaps.take(keep), found.features, found.groups, found.outside)


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        (lambda found: found, True),
        (lambda found: changed(found, 1 + 1e-8), False),
        (lambda found: changed(found, rows=slice(1, None)), False),
    ],
    ids=["right", "a hundred millionth more", "a piece lost"],
)
def test_the_union_gate_catches_a_planted_fault(monkeypatch, change, passes):
    planted(monkeypatch, change)
    assert gates.union_gate("union", squares(), {"a": squares(3.0)})[2] is passes


def test_totals_and_pieces_are_held_against_the_others():
    assert [gate[2] for gate in gates.agreement("a", 100.0, {"o": SQUARE})] == [True]
    assert [gate[2] for gate in gates.agreement("a", 100.0 * (1 + 2e-9), {"o": SQUARE})] == [False]
    features = pa.table({"layer": pa.array([0, 0], pa.int16())})

    class Measured:
        pass

    measured = Measured()
    measured.features = features
    assert gates.pieces_gate(measured, ["a"], {"o": SQUARE})[2]
    measured.features = features.slice(1)
    assert gates.pieces_gate(measured, ["a"], {"o": SQUARE}) == (
        "as many pieces as the others",
        "other a 2 against 1",
        False,
    )


def test_an_invalid_or_missing_piece_is_seen(tmp_path):
    import geopandas as gpd

    bow = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    path = tmp_path / "out.gpkg"
    gpd.GeoDataFrame(geometry=[shapely.box(0, 0, 1, 1), bow], crs="EPSG:4548").to_file(path)
    assert [gate[1:] for gate in gates.written_gates(path, 3)] == [("1", False), ("2 of 3", False)]


@pytest.fixture
def contest(tmp_path, monkeypatch):
    """Two contestants, of which one breaks; every call is noted."""
    calls = []

    def run(contest, size, layers, peer):
        calls.append((size, peer))
        return "failed: broken" if peer == "sedonadb" else result(1.0 + len(calls))

    monkeypatch.setattr(contests, "_run", run)
    made = Contest(tmp_path, ["XS"], ["product", "sedonadb"], list(contests.LAYERS), 3, 120, 600)
    return made, calls


def test_contestants_take_turns_and_one_failure_loses_nothing(contest):
    made, calls = contest
    records = run_all(made)
    assert calls == [("XS", "product"), ("XS", "sedonadb"), ("XS", "product"), ("XS", "product")]
    assert sorted(r.get("why", "") for r in records) == ["", "", "", "failed: broken"]


def test_a_contest_goes_on_where_it_was_killed(contest):
    made, calls = contest
    run_all(made)
    lines = made.store.read_text().splitlines()
    made.store.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # killed while writing the fourth
    calls.clear()
    records = run_all(made)
    # the failed one is tried again, what was measured is not
    assert calls == [("XS", "sedonadb"), ("XS", "product")]
    assert sum("result" in r for r in records) == 3
    assert len(load(made.store)) == 3


def test_known_long_ones_are_left_out_and_slow_ones_run_once(contest, monkeypatch):
    made, calls = contest
    made.sizes, made.peers = ["M"], ["product", "shapely_sjoin", "shapely_tiled"]
    monkeypatch.setattr(
        contests, "_run", lambda c, s, layers, p: calls.append(p) or result(130.0 if p != "product" else 2.0)
    )
    records = run_all(made)
    assert calls == ["product", "shapely_tiled", "product", "product"]
    assert [r["why"] for r in records if "why" in r] == ["> 600 s (known, left out)"]


def test_table_and_picture(tmp_path):
    records = [
        {"size": "S", "layers": "a,b", "peer": "product", "turn": turn, "load": 0.1, "result": result(wall)}
        for turn, wall in enumerate([2.0, 9.0, 1.0])
    ]
    other = result(8.0, "DuckDB spatial")
    records.append(
        {"size": "S", "layers": "a,b", "peer": "duckdb_spatial", "turn": 0, "load": 3, "result": other}
    )
    records.append(
        {"size": "S", "layers": "a,b", "peer": "sedonadb", "turn": 0, "load": 0, "why": "not installed"}
    )
    records.append({"size": "S", "layers": "a,b", "peer": "postgis", "turn": 0, "load": 0, "why": "> 600 s"})
    summary = summarise(records, {"S": [("same", "0", True), ("valid", "1", False)]})
    rows = {row["peer"]: row for row in summary[0]["rows"]}
    assert (rows["product"]["wall_s"], rows["product"]["n"]) == (2.0, 3)
    assert rows["duckdb_spatial"]["ratio"] == 4.0
    text = table(summary)
    assert "| landremed overlay | 1 | 3 | 2.00 (1.00-9.00) |" in text
    assert "not installed" in text
    assert "> 600 s" in text
    assert "**FAILED**: valid: 1" in text
    json.dumps(summary)
    plot(summary, tmp_path / "r.png")
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
