"""Survey coordinate text: one plain parcel in every variant that is in use."""

from __future__ import annotations

import pytest
import shapely

from landremed.errors import InputError
from landremed.io.survey_txt import COLUMNS, parse_survey_txt, read_survey_txt
from landremed.io.vector import read_vector
from landremed.repair import repair

HEAD = """[属性描述]
格式版本号=1.01版本
数据产生单位=自然资源部
坐标系=2000国家大地坐标系
几度分带=3
投影类型=高斯克吕格
计量单位=米
带号=39
精度=0.001
转换参数=0,0,0,0,0,0,0
[地块坐标]
"""
LINE = "5,1.0000,DK001,某某地块,面,J50G001001,工业用地,0601,@\n"
E0, N0 = 39_560_000.0, 4_300_000.0


def ring(corners, number=1, *, start=1, close=True, swap=False, drop=0.0):
    lines = []
    points = [*corners, corners[0]] if close else list(corners)
    for i, (x, y) in enumerate(points):
        name = start + i % len(corners)
        north, east = f"{N0 + y:.3f}", f"{E0 - drop + x:.3f}"
        one, two = (east, north) if swap else (north, east)
        lines.append(f"J{name},{number},{one},{two}\n")
    return "".join(lines)


SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100)]
INNER = [(20, 20), (40, 20), (40, 40), (20, 40)]
APART = [(200, 0), (250, 0), (250, 50), (200, 50)]
PLAIN = shapely.box(E0, N0, E0 + 100, N0 + 100)


def shapes(source):
    return list(shapely.from_wkb(source.wkb.to_numpy(zero_copy_only=False)))


def codes(findings):
    return [f.code for f in findings]


def read(text):
    return parse_survey_txt(text, "a.txt")


def test_plain():
    source, findings = read(HEAD + LINE + ring(SQUARE))
    assert findings == []
    assert source.crs_wkt == "EPSG:4527"
    assert shapes(source)[0].equals(PLAIN)
    (row,) = source.attributes.to_pylist()
    assert list(row.values()) == ["DK001", "某某地块", "面", "J50G001001", "工业用地", "0601", 1.0]
    assert list(row) == [*COLUMNS, "DKMJ"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + LINE.replace("5,", "4,", 1) + ring(SQUARE),  # closing point not counted
        HEAD + LINE.replace("5,", "4,", 1) + ring(SQUARE, close=False),
        HEAD + LINE + ring(SQUARE, close=False),
        HEAD + LINE.replace(",", ", ") + ring(SQUARE).replace(",", ", "),
        HEAD + LINE + ring(SQUARE).replace("J", ""),
        HEAD + "@" + LINE.replace("@", "") + ring(SQUARE),
        HEAD + LINE.replace("1.0000", "") + ring(SQUARE),
        HEAD + LINE.replace("1.0000", "1.0000公顷") + ring(SQUARE),
        HEAD.replace("1.01", "1．01").replace("=", "＝") + LINE.replace(",", "，") + ring(SQUARE),
        HEAD.replace("转换参数=0,0,0,0,0,0,0", "转换参数=,,,,,,") + LINE + ring(SQUARE),
        HEAD.replace("几度分带=3", "分带=3度带").replace("带号=39", "带号=") + LINE + ring(SQUARE),
        "[项目信息]\n项目名称=某某\n" + HEAD + LINE + ring(SQUARE),
        HEAD.replace("\n", "\r\n") + LINE + ring(SQUARE).replace("\n", "\r\n\r\n"),
        HEAD + LINE + ring(SQUARE[::-1]),
    ],
)
def test_variants_that_say_the_same(text):
    source, findings = read(text)
    assert findings == []
    assert source.crs_wkt == "EPSG:4527"
    assert len(source) == 1
    assert shapes(source)[0].equals(PLAIN)
    assert source.attributes["DKBH"].to_pylist() == ["DK001"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16"])
def test_encodings(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes((HEAD + LINE + ring(SQUARE)).encode(encoding))
    source, _ = read_survey_txt("a.txt", base=tmp_path)
    assert source.attributes["DKMC"].to_pylist() == ["某某地块"]
    assert source.encoding == {"utf-16": "UTF-16", "gb18030": "GB18030", "gbk": "GB18030"}.get(
        encoding, "UTF-8"
    )


def test_columns_the_other_way_round():
    source, findings = read(HEAD + LINE + ring(SQUARE, swap=True))
    assert codes(findings) == ["txt_east_first"]
    assert shapes(source)[0].equals(PLAIN)


def test_without_zone_number():
    text = HEAD + LINE + ring(SQUARE, drop=39e6)
    source, findings = read(text)
    assert findings == []
    assert source.crs_wkt == "EPSG:4548"
    assert shapes(source)[0].bounds == (560_000, N0, 560_100, N0 + 100)
    source, findings = read(text.replace("带号=39", "带号="))
    assert source.crs_wkt is None
    source, findings = read(HEAD + LINE + ring(SQUARE, swap=True, drop=39e6))
    assert codes(findings) == ["txt_east_first"]
    assert source.crs_wkt == "EPSG:4548"


@pytest.mark.parametrize(
    ("system", "width", "drop", "epsg"),
    [
        ("2000国家大地坐标系", 3, 0, 4527),
        ("80国家大地坐标系", 3, 0, 2363),
        ("1954北京坐标系", 3, 0, 2415),
        ("2000国家大地坐标系", 6, 19e6, 4498),
        ("2000国家大地坐标系", 3, 1e6 * 14, 4513),
        ("80国家大地坐标系", 6, 19e6, 2334),
        ("54北京坐标系", 6, 19e6, 21420),
    ],
)
def test_systems(system, width, drop, epsg):
    import pyproj

    zone = int((E0 - drop) // 1e6)
    head = HEAD.replace("2000国家大地坐标系", system).replace("几度分带=3", f"几度分带={width}")
    head = head.replace("带号=39", f"带号={zone}")
    source, _ = read(head + LINE + ring(SQUARE, drop=drop))
    assert source.crs_wkt == f"EPSG:{epsg}"
    crs = pyproj.CRS.from_epsg(epsg)  # the registry, not our table, says where the zone lies
    false = next(p.value for p in crs.coordinate_operation.params if p.name == "False easting")
    meridian = next(p.value for p in crs.coordinate_operation.params if "ongitude" in p.name)
    assert false == zone * 1e6 + 500_000
    assert meridian == (zone * 3 if width == 3 else zone * 6 - 3)


@pytest.mark.parametrize("inner_number", [1, 2])
def test_rings_nest_by_place_not_by_number(inner_number):
    text = (
        HEAD
        + LINE.replace("5,", "15,", 1)
        + ring(SQUARE)
        + ring(INNER, inner_number, start=5)
        + ring(APART, 2, start=9)
    )
    source, findings = read(text)
    assert findings == []
    expected = shapely.box(E0, N0, E0 + 100, N0 + 100).difference(
        shapely.box(E0 + 20, N0 + 20, E0 + 40, N0 + 40)
    )
    expected = expected.union(shapely.box(E0 + 200, N0, E0 + 250, N0 + 50))
    assert shapes(source)[0].equals(expected)
    assert shapes(source)[0].area == 10_000 - 400 + 2_500


def test_an_island_in_a_hole():
    island = [(25, 25), (30, 25), (30, 30), (25, 30)]
    text = HEAD + LINE.replace("5,", "15,", 1) + ring(island, 3) + ring(INNER, 2) + ring(SQUARE, 1)
    source, _ = read(text)
    assert shapes(source)[0].area == 10_000 - 400 + 25
    assert shapes(source)[0].is_valid


def test_names_keep_their_wide_signs():
    source, _ = read(HEAD + LINE.replace("某某地块", "某（一期），Ａ区") + ring(SQUARE))
    assert source.attributes["DKMC"].to_pylist() == ["某（一期），Ａ区"]


def test_several_parcels_and_the_long_line():
    long = "4,15,DK002,二,面,,住宅,0702,水田,农用地,10,11,备注,@\n"
    source, findings = read(HEAD + LINE + ring(SQUARE) + long + ring(APART, close=False))
    assert findings == []
    assert source.attributes["DKBH"].to_pylist() == ["DK001", "DK002"]
    assert source.attributes["DKMJ"].to_pylist() == [1.0, 15.0]
    assert source.attributes["BZ"].to_pylist() == [None, "备注"]
    assert shapes(source)[1].area == 2_500


def test_what_is_said_aloud():
    head = HEAD.replace("转换参数=0,0,0,0,0,0,0", "转换参数=12.5,0,0,0,0,0,0").replace("带号=39", "带号=40")
    source, findings = read(head + LINE.replace("5,", "9,", 1) + ring(SQUARE) + "J9,7,4300500.0,39560500.0\n")
    assert codes(findings) == ["txt_ring_short", "txt_points_differ", "txt_shift_given", "txt_zone_differs"]
    assert source.crs_wkt == "EPSG:4527"
    assert shapes(source)[0].equals(PLAIN)


def test_a_parcel_without_points_keeps_its_row():
    source, _ = read(HEAD + LINE + LINE.replace("DK001", "DK002") + ring(SQUARE))
    assert shapes(source)[0] is None
    assert repair(source.wkb).status.tolist() == ["empty", "ok"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file_empty"),
        (b"\x00\x01\x02PK", "encoding_unclear"),
        ("第一行\n第二行\n".encode(), "txt_no_section"),
        (HEAD.encode(), "txt_no_parcel"),
        ((HEAD + ring(SQUARE)).encode(), "txt_line_unreadable"),
        ((HEAD + LINE + "J1,1,north,east\n").encode(), "txt_line_unreadable"),
        ((HEAD + LINE + "J1\n").encode(), "txt_line_unreadable"),
        ((HEAD + LINE + "J1,1,nan,inf\n").encode(), "txt_line_unreadable"),
    ],
)
def test_bad_files(tmp_path, data, code):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_survey_txt("a.txt", base=tmp_path)
    assert caught.value.code == code
    assert "a.txt" in str(caught.value)


def test_cut_and_flipped_bytes_never_surprise(tmp_path):
    import random

    good = (HEAD + LINE + ring(SQUARE) + ring(INNER, 2)).encode("gb18030")
    chance = random.Random(7)
    for _ in range(150):
        raw = bytearray(good[: chance.randrange(20, len(good))])
        for _ in range(chance.randrange(4)):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        (tmp_path / "a.txt").write_bytes(raw)
        try:
            source, _ = read_survey_txt("a.txt", base=tmp_path)
        except InputError:
            continue
        repair(source.wkb)


def test_a_job_on_survey_text(tmp_path):
    """Boundary points as they come are parcels like any others."""
    from landremed import make_project, run_overlay
    from landremed.inspect import look

    second = LINE.replace("DK001", "DK002")
    (tmp_path / "p.txt").write_bytes((HEAD + LINE + ring(SQUARE) + second + ring(APART)).encode("gb18030"))
    (tmp_path / "red.txt").write_bytes((HEAD + LINE + ring(INNER)).encode("gb18030"))
    project = make_project("p.txt", ["red_line=red.txt"], settings=['parcels.id="DKBH"'], base=tmp_path)
    parcels = run_overlay(project).frame("parcels")
    assert parcels["parcel_id"].tolist() == ["DK001", "DK002"]
    # 400 m² of the plane; the survey area is smaller by 9e-5 at 60 km from the meridian
    assert parcels["ecological_red_line_area_m2"].tolist() == pytest.approx([399.96, 0.0], abs=0.01)
    (seen,) = look(str(tmp_path / "p.txt"))
    assert (seen.format, seen.rows, seen.id, seen.crs_state) == ("TXT", 2, ("DKBH",), "declared")
    source, _ = read_vector("p.txt", base=tmp_path, where="DKBH = 'DK002'", columns=["DKBH"])
    assert source.attributes.to_pydict() == {"DKBH": ["DK002"]}


@pytest.mark.parametrize("turned", [{1}, {0}, {0, 1}, {2}])
@pytest.mark.parametrize("drop", [0.0, 39e6])
def test_parcels_whose_columns_are_the_other_way_round(turned, drop):
    text = HEAD
    for at, corners in enumerate([SQUARE, APART, [(x + 400, y) for x, y in SQUARE]]):
        text += LINE.replace("DK001", f"DK{at}") + ring(corners, swap=at in turned, drop=drop)
    source, findings = read(text)
    expected = [
        shapely.Polygon([(E0 - drop + x + s, N0 + y) for x, y in c])
        for c, s in ((SQUARE, 0), (APART, 0), (SQUARE, 400))
    ]
    assert all(one.equals(other) for one, other in zip(shapes(source), expected, strict=True))
    assert source.crs_wkt == ("EPSG:4527" if drop == 0.0 else "EPSG:4548")
    mixed = [f for f in findings if f.code == "txt_order_mixed"]
    odd = turned if len(turned) == 1 else {0, 1, 2} - turned
    assert [(f.params["count"], f.row) for f in mixed] == [(1, min(odd) + 1)]


def test_a_line_all_in_wide_signs():
    wide = LINE.strip().translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789.,@DK"})
    text = HEAD + wide + "\n" + ring(SQUARE).replace(",", "，")
    source, _ = read(text)
    (shape,) = shapes(source)
    assert shape.equals(PLAIN)
