"""Small good files of every format that is read; bad ones are made from them."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import geopandas as gpd
import openpyxl
import shapely

E0, N0 = 560000.0, 4300000.0
ROWS = 12
IDS = [f"图斑{i:03d}" for i in range(1, ROWS + 1)]
VECTORS = {
    "gpkg": "p.gpkg",
    "shp": "p.shp",
    "geojson": "p.geojson",
    "fgb": "p.fgb",
    "gdb": "p.gdb",
    "parquet": "p.parquet",
    "txt": "p.txt",
}
"""Format -> name of the good file of parcels."""


def box(i: int, size: float = 100.0) -> shapely.Polygon:
    x = E0 + 250 * i
    return shapely.box(x, N0, x + size, N0 + size)


def parcel_shapes() -> list[shapely.Geometry]:
    """Plain squares, one with a hole, one of two parts."""
    shapes: list[shapely.Geometry] = [box(i) for i in range(ROWS)]
    shapes[3] = shapes[3].difference(box(3).buffer(-30, join_style="mitre"))
    shapes[5] = shapely.MultiPolygon([box(5, 40), shapely.affinity.translate(box(5, 40), 60, 60)])
    return shapes


def parcels() -> gpd.GeoDataFrame:
    """Twelve parcels of two categories, with text, dates, whole and broken numbers."""
    return gpd.GeoDataFrame(
        {
            "TBBH": IDS,
            "WTLX": ["违法占地", "耕地撂荒"] * (ROWS // 2),
            "XL": ["产业类", None] * (ROWS // 2),
            "FSRQ": gpd.pd.to_datetime(["2019-05-06"] * ROWS),
            "TBMJ": [10000.0 + i for i in range(ROWS)],
            "NUM": list(range(ROWS)),
            "ZLDWMC": ["某某镇某某村"] * (ROWS - 1) + [None],
        },
        geometry=parcel_shapes(),
        crs=4548,
    )


def red_line() -> gpd.GeoDataFrame:
    """A layer over the left half of every other parcel, and one large polygon apart."""
    shapes = [box(i, 50) for i in range(0, ROWS, 2)] + [shapely.box(E0, N0 + 200, E0 + 3000, N0 + 900)]
    return gpd.GeoDataFrame({"HXBM": [f"H{i}" for i in range(len(shapes))]}, geometry=shapes, crs=4548)


def write(frame: gpd.GeoDataFrame, path: Path, **options: object) -> Path:
    """Write a frame in the format of the path's extension."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            frame.to_parquet(path)
        elif path.suffix == ".gdb":
            frame.to_file(path, driver="OpenFileGDB", promote_to_multi=True, **options)
        elif path.suffix == ".txt":
            path.write_bytes(survey_text(frame).encode("gb18030"))
        else:
            frame.to_file(path, **options)
    return path


def survey_text(frame: gpd.GeoDataFrame) -> str:
    """Return parcels as survey coordinate text."""
    lines = ["[属性描述]", "格式版本号=1.01版本", "坐标系=2000国家大地坐标系", "几度分带=3", "带号=39"]
    lines += ["投影类型=高斯克吕格", "计量单位=米", "精度=0.001", "转换参数=0,0,0,0,0,0,0", "[地块坐标]"]
    for name, shape in zip(frame["TBBH"], frame.geometry, strict=True):
        rings = shapely.get_rings(shapely.get_parts(shape))
        points = [(k, x, y) for k, ring in enumerate(rings, 1) for x, y in ring.coords]
        lines.append(f"{len(points)},{shape.area / 1e4:.4f},{name},某某地块,面,,工业用地,0601,@")
        lines += [f"J{n},{k},{y:.3f},{39e6 + x:.3f}" for n, (k, x, y) in enumerate(points, 1)]
    return "\r\n".join(lines) + "\r\n"


PROJECT = """\
[project]
name = "坏文件"
crs = "EPSG:4548"
as_of = 2022-03-31
language = "en"

[parcels]
path = "p.gpkg"
id = "TBBH"
[parcels.fields]
category = "WTLX"
subtype = "XL"
occurred_on = "FSRQ"

[layers.ecological_red_line]
path = "r.gpkg"
id = "HXBM"

[[evidence]]
path = "e.csv"
id = "TBBH"
"""
CALENDAR = "date,workday\n2022-10-03,否\n2022-10-08,是\n"
EVIDENCE = [
    ("TBBH", "plan_conforms", "safety_compliant", "abandoned", "备注"),
    *((name, ("是", "否")[i % 2], "", "false", "甲，乙") for i, name in enumerate(IDS)),
]


def vector(folder: Path, kind: str) -> Path:
    """Write the parcels in one format, and the layer beside them."""
    write(red_line(), folder / "r.gpkg")
    return write(parcels(), folder / VECTORS[kind])


def evidence_csv(path: Path, encoding: str = "utf-8") -> Path:
    path.write_text("\r\n".join(",".join(row) for row in EVIDENCE) + "\r\n", encoding=encoding, newline="")
    return path


def evidence_xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    for row in EVIDENCE:
        book.active.append(list(row))
    book.save(path)
    return path


def evidence_xls(path: Path) -> Path:
    import xlwt

    book = xlwt.Workbook(encoding="utf-8")
    sheet = book.add_sheet("e")
    for at, row in enumerate(EVIDENCE):
        for column, cell in enumerate(row):
            sheet.write(at, column, cell)
    book.save(str(path))
    return path


def project(folder: Path) -> Path:
    """Write a whole small project."""
    vector(folder, "gpkg")
    evidence_csv(folder / "e.csv")
    (folder / "project.toml").write_text(PROJECT, encoding="utf-8")
    return folder / "project.toml"


def rule_book(folder: Path) -> Path:
    """Copy the built-in rule book, and a project that uses the copy."""
    import landremed_rules

    source = Path(landremed_rules.__file__).parent
    shutil.copytree(source / "binhai-2022", folder / "book", dirs_exist_ok=True)
    for name in ("facts.yaml", "phrases.yaml"):
        shutil.copy(source / name, folder / name)
    path = project(folder)
    path.write_text(PROJECT.replace("as_of", 'rules = "book"\nas_of'), encoding="utf-8")
    return path


def results(folder: Path, call: Callable[[Sequence[str]], int]) -> None:
    """Write a result, a measured overlay, a field package, a ledger, sheets and a case file."""
    path = str(project(folder))
    out = {name: str(folder / name) for name in ("o.gpkg", "v.gpkg", "f.gpkg", "l.gpkg", "c.zip", "sheets")}
    for arguments in (
        ["run", path, "-o", out["o.gpkg"]],
        ["overlay", path, "-o", out["v.gpkg"]],
        ["review", "pack", out["o.gpkg"], "-o", out["f.gpkg"]],
        ["ledger", "init", out["o.gpkg"], "-o", out["l.gpkg"], "--who", "甲", "--on", "2022-04-01"],
        ["ledger", "sheets", out["l.gpkg"], "-o", out["sheets"], "--month", "2022-04", "--who", "甲"],
        ["report", "casefile", out["o.gpkg"], IDS[0], "-o", out["c.zip"]],
    ):
        if call(arguments) not in (0, 3):
            raise RuntimeError(" ".join(arguments))
