"""Folders that are looked through: what lies in them, what leads out of them, and how much is too much."""

from __future__ import annotations

import geopandas as gpd
import pytest
import shapely
from landremed_cli.main import main

import landremed
from landremed.errors import InputError
from landremed.inspect.folders import expand
from landremed.inspect.look import look
from landremed.io import zipped
from landremed.io.limits import Limits, parse_limits

BOX = shapely.box(560_000, 4_300_000, 560_100, 4_300_100)


def status(arguments) -> int:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return int(caught.value.code or 0)


def layer(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = gpd.GeoDataFrame({name: [value] for name, value in columns.items()}, geometry=[BOX], crs=4548)
    frame.to_file(path, driver="OpenFileGDB" if path.suffix == ".gdb" else None)
    return path


PARCELS = {"JCBH": "T1", "WTLX": "违法占地"}


def test_folders_within_folders_are_looked_through(tmp_path):
    layer(tmp_path / "a.gpkg", x=1)
    layer(tmp_path / "2022" / "永农" / "b.shp", x=1)
    layer(tmp_path / "2022" / "base.gdb", x=1)
    layer(tmp_path / ".hidden" / "c.gpkg", x=1)
    (tmp_path / "2022" / "readme.txt").write_text("说明")
    (tmp_path / "2022" / "settings.json").write_text('{"a": 1}')
    (tmp_path / "~$t.xlsx").write_bytes(b"")
    assert expand(str(tmp_path)) == [
        str(tmp_path / n) for n in ("2022/base.gdb", "2022/永农/b.shp", "a.gpkg")
    ]


def test_links_that_lead_out_are_named_and_not_opened(tmp_path):
    layer(tmp_path / "out" / "secret.gpkg", secret=1)
    home = tmp_path / "home"
    layer(home / "a.gpkg", x=1)
    (home / "file.gpkg").symlink_to(tmp_path / "out" / "secret.gpkg")
    (home / "folder").symlink_to(tmp_path / "out")
    (home / "own.gpkg").symlink_to(home / "a.gpkg")
    seen = {s.file.rpartition("/")[2]: s for s in look(str(home))}
    assert sorted(seen) == ["a.gpkg", "file.gpkg", "folder", "own.gpkg"]
    for name in ("file.gpkg", "folder"):
        assert seen[name].problem.code == "path_leaves_folder"
    assert "secret" not in str([s.document() for n, s in seen.items() if n != "own.gpkg"]).replace(
        "secret.gpkg", ""
    )


@pytest.mark.parametrize("name", ["a.kml", "a.dwg", "a.mdb", "a.rar", "a.VCT"])
def test_data_of_other_programs_is_named(tmp_path, name):
    layer(tmp_path / "p.gpkg", **PARCELS)
    (tmp_path / name).write_bytes(b"x")
    (seen,) = [s for s in look(str(tmp_path)) if s.file.endswith(name)]
    code = "file_type_web_map" if name == "a.kml" else "file_type_foreign"
    assert seen.problem.code == code
    (direct,) = look(str(tmp_path / name))
    assert direct.problem.code == code
    assert status(["init", str(tmp_path / "p.gpkg"), str(tmp_path), "-o", str(tmp_path / "p.toml")]) in (0, 3)
    assert f"{name}: " in (tmp_path / "p.toml").read_text(encoding="utf-8")
    assert status(["info", str(tmp_path)]) == 3
    assert status(["info", str(tmp_path / name)]) == 1


def test_too_many_files_and_too_deep(tmp_path):
    layer(tmp_path / "1" / "2" / "3" / "a.gpkg", x=1)
    layer(tmp_path / "b.gpkg", x=1)
    for limits in (Limits(max_files=1), Limits(max_depth=2)):
        (seen,) = look(str(tmp_path), limits=limits)
        assert seen.problem.code == "limit_exceeded"
    assert len(look(str(tmp_path), limits=Limits(max_files=2, max_depth=3))) == 2


def test_limits_on_the_command_line(tmp_path, capsys):
    path = layer(tmp_path / "p.gpkg", **PARCELS)
    assert status(["info", str(path), "--limit", "max_vertices=4"]) == 1
    assert status(["info", str(path), "--limit", "max_vertices=5"]) == 0
    assert status(["convert", str(path), str(tmp_path / "o.shp"), "--limit", "max_features=0.5"]) == 1
    assert status(["convert", str(path), str(tmp_path / "o.shp"), "--limit", "max_features=1"]) == 0
    project = tmp_path / "p.toml"
    assert status(["init", str(path), "-o", str(project), "--limit", "max_vertices=4"]) == 1
    assert status(["init", str(path), "-o", str(project), "--limit", "max_features=7e6"]) == 0
    assert landremed.load_project(project).limits == {"max_features": 7e6}
    capsys.readouterr()


@pytest.mark.parametrize("word", ["max_feature=3", "max_features", "max_features=x", "max_features=-1", "=3"])
def test_odd_limits(word):
    with pytest.raises(InputError) as caught:
        parse_limits([word])
    assert caught.value.code == "limit_odd"


def test_a_zip_is_unpacked_once_for_all_its_layers(tmp_path, monkeypatch):
    import zipfile

    layer(tmp_path / "in" / "p.gpkg", **PARCELS)
    layer(tmp_path / "in" / "f.gpkg", YJJBNTTBBH="1", YJJBNTMJ=1.0)
    layer(tmp_path / "in" / "h.gpkg", HXBM="1", HXMC="x")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for file in sorted((tmp_path / "in").iterdir()):
            archive.write(file, file.name)
        archive.writestr("e.csv", "JCBH,plan_conforms\nT1,是\n")
    times = []
    whole = zipped._unpack
    monkeypatch.setattr(zipped, "_unpack", lambda *a: times.append(1) or whole(*a))
    project = tmp_path / "p.toml"
    assert status(["init", f"{tmp_path}/a.zip:p", f"{tmp_path}/a.zip", "-o", str(project)]) == 0
    text = project.read_text(encoding="utf-8")
    assert "a.zip:e.csv" in text
    assert len(times) == 1
    assert status(["run", str(project), "-o", str(tmp_path / "o.gpkg")]) in (0, 3)
    assert len(times) == 2
    assert status(["check", str(project)]) in (0, 1, 3)
    assert len(times) == 3
    assert zipped._held == {}


def test_a_messy_folder_becomes_a_project_that_runs(tmp_path, capsys, monkeypatch):
    """Copies give way, corrections come last, what cannot be used is named, and the rest runs."""
    monkeypatch.chdir(tmp_path)
    layer(tmp_path / "01 图斑" / "违法图斑.shp", 图斑编号="T1", 问题类型="违法占地", 发生日期="2019.5")
    text = (tmp_path / "01 图斑" / "违法图斑.dbf").read_bytes().decode("utf-8", "surrogateescape")
    assert "图斑编" in text  # a name cut at ten bytes
    (tmp_path / "01 图斑" / "违法图斑.cpg").write_text("GBK")  # wrong
    layer(tmp_path / "02" / "a_副本.gpkg", HXBM="1", HXMC="x", HXLX="湿地")
    layer(tmp_path / "02" / "红线.geojson", HXBM="1", HXMC="x", HXLX="湿地")
    layer(tmp_path / "02" / "永农.gdb", YJJBNTTBBH="1", YJJBNTMJ=1.0)
    (tmp_path / "02" / "empty.gpkg").write_bytes(b"")
    (tmp_path / "02" / "旧库.mdb").write_bytes(b"x")
    (tmp_path / "03").mkdir()
    (tmp_path / "03" / "a更正.csv").write_bytes("图斑编号,废弃不用\nT1,是\n".encode("gbk"))
    (tmp_path / "03" / "核查.csv").write_text("图斑编号,废弃不用\nT1,否\n", encoding="utf-8-sig")
    assert status(["--lang", "en", "init", "01 图斑/违法图斑.shp", ".", "-o", "p.toml"]) == 0
    written = (tmp_path / "p.toml").read_text(encoding="utf-8")
    assert written.index("核查.csv") < written.index("a更正.csv")
    assert "\n# 02/a_副本.gpkg:a_副本: also looks like ecological_red_line" in written.replace("#   ", "# ")
    for name in ("empty.gpkg", "旧库.mdb"):
        assert f"02/{name}: " in written
    project = landremed.load_project(tmp_path / "p.toml")
    assert project.parcels.id == ("图斑编",)
    assert dict(project.parcels.fields) == {"category": "问题类", "occurred_on": "发生日"}
    assert [one.path for one in project.layers] == ["02/永农.gdb", "02/红线.geojson"]
    assert status(["run", "p.toml", "-o", "o.gpkg"]) == 0
    decided = gpd.read_file(tmp_path / "o.gpkg", layer="decisions").iloc[0]
    # on the red line and disused, but it may be a dwelling, which is out of scope
    assert (decided["parcel_id"], decided["outcome"]) == ("T1", "needs_review")
    assert decided["missing_facts"] == "subtype"
    capsys.readouterr()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_what_is_shown_fits_the_terminal(tmp_path, width, language):
    from landremed.inspect import look_text
    from landremed.report.terminal import display_width

    path = layer(tmp_path / "p.shp", 图斑编号="T1" * 40, 坐落单位="海滨街道" * 12, 很长的名称="字" * 70)
    (tmp_path / "p.cpg").write_text("BIG5")
    (seen,) = look(str(path))
    text = look_text(seen, language, width)
    assert max(map(display_width, text.splitlines()[1:])) <= width
    whole = look_text(seen, language)
    assert max(map(display_width, whole.splitlines())) > 80
