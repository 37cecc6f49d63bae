"""The project file: every key, and one clear sentence for every fault."""

from datetime import date
from pathlib import Path

import pytest

from landremed.errors import ProjectError
from landremed.project import load_project, make_project, project_from_json, role_name
from landremed.samples import sample_project
from landremed.types import AreaKind, Straddle


def write(tmp_path, text):
    path = tmp_path / "p.toml"
    path.write_text(text, encoding="utf-8")
    return path


MINIMAL = '[parcels]\npath = "a.gpkg"\n'


def test_defaults(tmp_path):
    project = load_project(write(tmp_path, MINIMAL))
    assert project.rules == "binhai-2022"
    assert project.straddle is Straddle.REVIEW
    assert (project.tolerance.min_overlap_area_m2, project.tolerance.min_overlap_share) == (1.0, 0.001)
    assert (project.tolerance.sliver_max_area_m2, project.tolerance.position_m) == (10.0, 1.0)
    assert project.basis == "count"
    assert project.as_of == date.today()


def test_whole_file(tmp_path):
    text = """
[project]
name = "x"
crs = "EPSG:4548"
as_of = 2022-03-31
straddle = "split"
language = "en"
secrecy = "内部资料"
area = "plane"
[tolerance]
min_overlap_area_m2 = 2
[parcels]
path = "parcels.gpkg"
layer = "p"
id = ["ZLDWDM", "TBBH"]
encoding = "GB18030"
[parcels.fields]
category = "WTLX"
[parcels.values.category]
"违法用地" = "illegal_occupation"
[layers."永久基本农田"]
path = "c.gpkg"
layer = "yjjbnt"
where = "A = 1"
id = "BH"
by = ["X", "Y"]
disjoint = true
crs = "EPSG:4527"
encoding = "GBK"
version = "v"
date = 2022-10-14
coverage = "covered.gpkg"
[layers.admin_units]
path = "u.gpkg"
name = "XZQMC"
kind = "LX"
[layers.land_use]
path = "l.gpkg"
code = "DLBM"
[layers.water]
path = "w.gpkg"
[[evidence]]
path = "e.csv"
id = "TBBH"
[readings]
industry_scale = "either"
[report]
basis = "area"
[severity]
same_place = "info"
[limits]
max_features = 10
[calendar]
path = "holidays.csv"
"""
    project = load_project(write(tmp_path, text))
    assert [layer.role for layer in project.layers] == [
        "permanent_basic_farmland",
        "admin_units",
        "land_use",
        "water",
    ]
    farmland = project.layers[0]
    assert (farmland.by, farmland.disjoint, farmland.date) == (("X", "Y"), True, date(2022, 10, 14))
    assert project.parcels.id == ("ZLDWDM", "TBBH")
    assert project.parcels.values == {"category": {"违法用地": "illegal_occupation"}}
    assert project.area is AreaKind.PLANE
    assert project.tolerance.min_overlap_area_m2 == 2.0
    again = project_from_json(project.settings_json, base=project.base)
    assert (again.layers, again.parcels, again.as_of) == (project.layers, project.parcels, project.as_of)


# text, words the message must hold
FAULTS = [
    ('[projct]\nname = "x"\n' + MINIMAL, ["projct", "project", "row 1"]),
    ('[project]\nnmae = "x"\n' + MINIMAL, ["project.nmae", "project.name", "row 2"]),
    ('[project]\nstraddle = "cut"\n' + MINIMAL, ["straddle", "'cut'", "review | majority | split", "row 2"]),
    ('[project]\nas_of = "31/3/2022"\n' + MINIMAL, ["as_of", "date"]),
    ("[tolerance]\nmin_overlap_area_m2 = -1\n" + MINIMAL, ["min_overlap_area_m2", "-1"]),
    ("[tolerance]\nmin_overlap_share = 0.6\n" + MINIMAL, ["min_overlap_share", "0.5"]),
    ('[tolerance]\nposition_m = "wide"\n' + MINIMAL, ["position_m", "number"]),
    ('[project]\nname = "x"\n', ["parcels", "path"]),
    (MINIMAL + "[layers.farmland]\n", ["layers.farmland", "path"]),
    (MINIMAL + '[layers.farmland]\npath="a"\npaht="b"\n', ["layers.farmland.paht", "layers.farmland.path"]),
    (
        MINIMAL + '[layers.farmland]\npath="a"\n[layers.permanent_basic_farmland]\npath="b"\n',
        ["permanent_basic_farmland", "twice"],
    ),
    (MINIMAL + '[layers.admin_units]\npath="a"\n', ["layers.admin_units.name"]),
    (MINIMAL + '[layers.land_use]\npath="a"\n', ["layers.land_use.code"]),
    (MINIMAL + '[layers.demolish]\npath="a"\n', ["demolish"]),
    (MINIMAL + '[[evidence]]\npath="a"\n', ["evidence", "id"]),
    (MINIMAL + "[severity]\nsame_plce = 'off'\n", ["same_plce", "same_place"]),
    (MINIMAL + "[severity]\nsame_place = 'loud'\n", ["same_place", "error | warning | info | off"]),
    (MINIMAL + "[limits]\nmax_feature = 3\n", ["max_feature", "max_features"]),
    ("[parcels]\npath = 3\n", ["parcels.path", "text"]),
    ("[parcels\npath = 3\n", ["TOML", "line 1"]),
    ("parcels = 3\n", ["parcels", "table"]),
]


@pytest.mark.parametrize(("text", "words"), FAULTS)
def test_faults(tmp_path, text, words):
    with pytest.raises(ProjectError) as error:
        load_project(write(tmp_path, text))
    for language in ("en", "zh"):
        assert "p.toml" in error.value.text(language)
    for word in words:
        assert word in error.value.text("en")


def test_missing_file():
    with pytest.raises(ProjectError, match=r"nowhere\.toml: The project file does not exist"):
        load_project("nowhere.toml")


def test_not_utf8(tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes('[project]\nname = "违法"'.encode("gb18030"))
    with pytest.raises(ProjectError, match="UTF-8"):
        load_project(path)


def test_overrides(tmp_path, monkeypatch):
    path = write(tmp_path, MINIMAL + '[layers.red_line]\npath = "old.gpkg"\nid = "BH"\nversion = "1"\n')
    monkeypatch.chdir(tmp_path.parent)
    project = load_project(
        path,
        settings=["tolerance.min_overlap_area_m2=5", "project.area=plane", "project.as_of=2022-03-31"],
        layers=["red_line=new.gpkg:stbhhx", "farmland=f.shp"],
    )
    assert project.tolerance.min_overlap_area_m2 == 5
    assert project.as_of == date(2022, 3, 31)
    red = project.layer("ecological_red_line")
    assert Path(project.base / red.path).resolve() == (tmp_path.parent / "new.gpkg:stbhhx").resolve()
    assert (red.id, red.version) == ("BH", None)  # how it is read stays, what it was does not
    for bad in ("tolerance.min_overlap_area_m2", "min=5", "project.name.x=1"):
        with pytest.raises(ProjectError):
            load_project(path, settings=[bad])
    with pytest.raises(ProjectError, match="role=PATH"):
        load_project(path, layers=["f.shp"])
    with pytest.raises(ProjectError, match=r"tolerance\.min_overlap_area_m2"):
        load_project(path, settings=["tolerance.min_overlap_area=5"])


@pytest.mark.parametrize("word", ["red_line", "ecological_red_line", "生态保护红线"])
def test_layer_is_set_under_any_of_its_names(tmp_path, word):
    path = write(tmp_path, MINIMAL + '[layers.red_line]\npath = "red.gpkg"\n')
    project = load_project(path, settings=[f"layers.{word}.version=v2"])
    assert [(spec.role, spec.path, spec.version) for spec in project.layers] == [
        ("ecological_red_line", "red.gpkg", "v2")
    ]


def test_without_a_file():
    project = make_project("p.gpkg", ["farmland=f.shp", "水源地=w.gpkg:sy"], settings=['parcels.id="TBBH"'])
    assert project.parcels.id == ("TBBH",)
    assert [layer.role for layer in project.layers] == ["permanent_basic_farmland", "水源地"]


def test_sample_project_reads():
    assert load_project(sample_project()).parcels.id == ("TBBH",)


def test_role_names():
    assert role_name("生态保护红线") == role_name("red_line") == "ecological_red_line"


def test_limits_of_repair(tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(MINIMAL, encoding="utf-8")
    assert load_project(path).repair.most == (0.1, 10_000.0)
    assert load_project(path, settings=["repair.max_area_change_share=0.5"]).repair.most == (0.5, 10_000.0)
    for wrong in ("max_area_change_share=1.5", "max_area_change_m2=-1", "max_area_change_m2=nan"):
        with pytest.raises(ProjectError) as caught:
            load_project(path, settings=[f"repair.{wrong}"])
        assert caught.value.code == "repair_limit_out_of_range"
