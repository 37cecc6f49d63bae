"""Shares of the parcels, measured and decided apart, give what the whole gives."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyproj
import pytest
import shapely

from landremed.area import area_measure, default_kind
from landremed.crs import to_working
from landremed.given import given_facts
from landremed.io.hashing import BLOCK, BlockHash, content_hash
from landremed.layers import load_layer, load_parcels, parcel_ids, ready_parcels
from landremed.measure import Ruler
from landremed.output import area_sums, result_layers, rules_fired
from landremed.overlay import Expected
from landremed.pipeline import Job, decide_overlay, measure_project, measure_share, read_evidence, rule_book
from landremed.project import load_project
from landremed.samples import sample_project
from landremed.slivers import added_counts, find_shifts, kind_counts, merged_votes, named
from landremed.summary import summary_table
from landremed.tables import plain_table
from landremed.types import AreaKind

SETTINGS = ['project.straddle="split"', "project.as_of=2022-03-31"]


@pytest.fixture(scope="module")
def sample():
    project = load_project(sample_project(), settings=SETTINGS)
    parcels = load_parcels(project)
    layers = [load_layer(project, spec, parcels) for spec in project.layers]
    area = area_measure(project.area or default_kind(parcels.crs), parcels.crs)
    ruler = Ruler(layers, area=area, expected=Expected.of(parcels.polygons))
    job = Job(project, rule_book(project), layers, ruler, area)
    whole = decide_overlay(measure_project(project), job.book)
    rows = np.random.default_rng(9).permutation(len(parcels.ids))
    shares = [judged(job, parcels, np.sort(part)) for part in np.array_split(rows, 4)]
    shifts = find_shifts(merged_votes(decided.overlay.sliver_votes for _, decided, _ in shares))
    return whole, [(part, renamed(decided, shifts), issues) for part, decided, issues in shares]


def renamed(decided, shifts):
    overlay = decided.overlay
    return replace(decided, overlay=replace(overlay, overlaps=named(overlay.overlaps, shifts)))


def judged(job, parcels, rows):
    at = pa.array(rows)
    spec, whole = job.project.parcels, parcels.source
    source = replace(whole, attributes=whole.attributes.take(at), wkb=whole.wkb.take(at), rows=rows)
    ids, _ = parcel_ids(source, spec)
    moved = to_working(source, parcels.input_crs, parcels.crs, "parcels")
    share = ready_parcels(source, ids, moved, parcels.input_crs, parcels.crs)
    evidence = read_evidence(job.project)
    given = given_facts(job.book.vocabulary, ids, source, spec.fields, spec.values, evidence)
    overlay, issues = measure_share(job, share, given)
    return rows, decide_overlay(overlay, job.book), issues


def tables(decisions):
    return {layer.name: layer for layer in result_layers(decisions, {})}


def in_order(table, order):
    """Sort rows by the input order of their parcels; rows of one parcel keep theirs."""
    parent = pc.list_element(pc.split_pattern(table["parcel_id"], "#"), 0)
    place = pc.index_in(parent, value_set=order).to_numpy(zero_copy_only=False)
    return table.take(pa.array(np.argsort(place, kind="stable")))


@pytest.mark.parametrize("layer", ["decisions", "parts", "overlaps", "overlap_features", "land_use", "facts"])
def test_rows_are_those_of_the_whole(sample, layer):
    whole, shares = sample
    expected = plain_table(tables(whole)[layer].table)
    found = [plain_table(tables(decided)[layer].table) for _, decided, _ in shares]
    got = in_order(pa.concat_tables(found), tables(whole)["decisions"].table["parcel_id"].combine_chunks())
    assert len(expected) > 0
    for name in expected.column_names:
        if name != "trace_id":  # numbered anew for the whole
            assert got[name].to_pylist() == expected[name].to_pylist(), name


def test_traces_are_those_of_the_whole(sample):
    whole, shares = sample

    def traced(decided):
        layers = tables(decided)
        steps = {}
        for row in layers["trace"].table.to_pylist():
            steps.setdefault(row["trace_id"], []).append(tuple(v for k, v in row.items() if k != "trace_id"))
        rows = layers["decisions"].table
        pairs = zip(rows["parcel_id"].to_pylist(), rows["trace_id"].to_pylist(), strict=True)
        return {parcel: tuple(steps.get(trace, ())) for parcel, trace in pairs}

    assert {k: v for _, d, _ in shares for k, v in traced(d).items()} == traced(whole)


def test_sums_and_rules_add_up(sample):
    whole, shares = sample
    sums = [part for _, decided, _ in shares for part in area_sums(decided)]
    assert summary_table(sums).equals(tables(whole)["summary"].table)
    total = {}
    for _, decided, _ in shares:
        for rule, count in rules_fired(decided).items():
            total[rule] = total.get(rule, 0) + count
    assert total == rules_fired(whole)


def test_findings_about_single_parcels(sample):
    whole, shares = sample
    same = "same_place"  # pairs may lie in two shares
    for group in ("parcels", "given"):
        rows = pa.concat_tables([issues[group] for _, _, issues in shares])
        keys = [("_key", "ascending"), *((c, "ascending") for c in ("field", "code", "parcel_id", "value"))]
        found = rows.sort_by(keys).drop_columns(["_key", "geometry"]).to_pylist()
        listed = whole.overlay.issues.drop_columns(["geometry"]).to_pylist()
        codes = {row["code"] for row in found}
        assert found
        assert [r for r in listed if r["code"] in codes - {same} and r["parcel_id"]] == found


def test_small_overlaps_add_up(sample):
    whole, shares = sample
    total = added_counts(kind_counts(decided.overlay.overlaps) for _, decided, _ in shares)
    assert total == kind_counts(whole.overlay.overlaps)
    assert sum(count for count, _ in total.values()) > 0
    votes = merged_votes(decided.overlay.sliver_votes for _, decided, _ in shares)
    assert votes.equals(merged_votes([whole.overlay.sliver_votes]))


def test_hash_of_blocks():
    rng = np.random.default_rng(3)
    count = BLOCK + 100
    table = pa.table({"a": rng.integers(0, 9, count), "b": [None, "x"] * (count // 2)})
    wkb = pa.array([b"abc", None] * (count // 2), pa.large_binary())
    blocks = BlockHash()
    for start in (0, BLOCK):
        blocks.add(table.slice(start, BLOCK), wkb.slice(start, BLOCK))
    assert blocks.finished("EPSG:4548") == content_hash(table, wkb, "EPSG:4548")
    assert blocks.finished("EPSG:4549") != content_hash(table, wkb, "EPSG:4548")
    assert content_hash(table.slice(1), wkb.slice(1), None) != content_hash(table, wkb, None)


@pytest.mark.parametrize("kind", ["survey", "geodesic", "plane"])
def test_an_area_does_not_depend_on_its_neighbours(kind):
    crs = pyproj.CRS("EPSG:4548")
    angles = np.linspace(0, 2 * np.pi, 23)
    rng = np.random.default_rng(1)
    shapes = np.array(
        [
            shapely.Polygon(np.c_[560000 + r * np.cos(angles[:n]), 4300000 + 7 * n + r * np.sin(angles[:n])])
            for n, r in zip(rng.integers(4, 23, 60), rng.uniform(5, 300, 60), strict=True)
        ]
    )
    measure = area_measure(AreaKind(kind), crs)
    alone = [measure.of(shapes[i : i + 1])[0] for i in range(len(shapes))]
    assert measure.of(shapes).tolist() == alone
