"""QGIS itself opens the project inside a result and the one of a package, draws them, and edits them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import review_district as district
from review_district import table

from landremed.errors import InputError
from landremed.io.gpkg_project import project_names, read_project, relink
from landremed.report.qgis_project import ProjectCrs, ProjectLayer, Relation, Theme, project_xml
from landremed.review import merge_reviews, pack_reviews

SYSTEM_PYTHON = os.environ.get("LANDREMED_QGIS_PYTHON", "/usr/bin/python3")
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_"))},
    "QT_QPA_PLATFORM": "offscreen",
}
NAME = "处置建议"
THEMES = ["按处置建议", "按整治时限", "按缺失事实", "按问题类型"]

OPEN = """
import json, os, sys
from qgis.core import *
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
app = QgsApplication([], False)
app.initQgis()
warnings = []
QgsApplication.messageLog().messageReceived.connect(lambda text, tag, level: warnings.append(text))
project = QgsProject.instance()
told = {"read": project.read(sys.argv[1]), "crs": project.crs().authid(), "title": project.title()}
told["groups"] = {g.name(): [c.layerId() for c in g.children()] for g in project.layerTreeRoot().children()}
told["layers"] = {}
for key, layer in project.mapLayers().items():
    form = layer.editFormConfig()
    told["layers"][key] = {
        "title": layer.name(),
        "valid": layer.isValid(),
        "rows": layer.featureCount(),
        "read_only": layer.readOnly(),
        "styles": layer.styleManager().styles(),
        "tabs": [tab.name() for tab in form.tabs()],
        "free": [f.name() for i, f in enumerate(layer.fields()) if not form.readOnly(i)],
        "aliases": {f.name(): layer.attributeAlias(i) for i, f in enumerate(layer.fields())},
        "widgets": {f.name(): layer.editorWidgetSetup(i).type() for i, f in enumerate(layer.fields())},
        "display": layer.displayExpression(),
        "constraints": [f.name() for f in layer.fields() if f.constraints().constraints()],
        "labels": layer.isSpatial() and layer.labelsEnabled() and layer.labeling().settings().fieldName,
    }
told["relations"] = {r.id(): r.isValid() for r in project.relationManager().relations().values()}
themes = project.mapThemeCollection()
told["themes"], told["pictures"] = themes.mapThemes(), {}
tree = project.layerTreeRoot()
model = QgsLayerTreeModel(tree)
for number, name in enumerate(told["themes"]):
    themes.applyTheme(name, tree, model)
    shown = [n.layer() for n in tree.findLayers() if n.isVisible() and n.layer().isSpatial()]
    settings = QgsMapSettings()
    settings.setLayers(shown)
    settings.setDestinationCrs(project.crs())
    settings.setOutputSize(QSize(440, 280))
    settings.setBackgroundColor(QColor("white"))
    settings.setExtent(QgsRectangle(559900, 4299900, 562100, 4301300))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    image.save(f"{sys.argv[2]}-{number}.png")
    # every parcel is 16 pixels wide, 40 apart; the first stands at the lower left; left halves are hatched
    told["pictures"][name] = [
        QColor(image.pixel(33 + 40 * (n % 10), 280 - 28 - 40 * (n // 10))).name() for n in range(60)
    ]
told["sheets"] = {}
for layout in project.layoutManager().layouts():
    atlas = layout.atlas()
    atlas.beginRender()
    pages = atlas.updateFeatures()
    atlas.seekTo(0)
    page = layout.reportContext().feature()
    texts = [i.currentText() for i in layout.items() if isinstance(i, QgsLayoutItemLabel)]
    shown = layout.itemById("map")
    told["sheets"][layout.name()] = {
        "pages": pages,
        "first": page["parcel_id"],
        "texts": texts,
        "on_map": shown.extent().contains(page.geometry().boundingBox()),
        "theme": shown.followVisibilityPresetName(),
        "drawn": QgsLayoutExporter(layout).exportToPdf(
            sys.argv[2] + "-sheet.pdf", QgsLayoutExporter.PdfExportSettings()
        ),
    }
told["warnings"] = warnings
print("TOLD" + json.dumps(told), flush=True)
os._exit(0)  # QGIS may crash when Python takes its objects apart
"""

EDIT = """
import json, os, sys
from qgis.core import *
app = QgsApplication([], False)
app.initQgis()
project = QgsProject.instance()
project.read(sys.argv[1])
visits = project.mapLayer("landremed_visits")
parcels = project.mapLayer("landremed_parcels")
told = {"parcels_editable": parcels.startEditing()}
seen = {}
for parcel in ("P-000", "P-001"):
    feature = QgsFeature(visits.fields())
    feature["parcel_id"] = parcel
    scope = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(visits))
    scope.setFeature(feature)
    tab = visits.editFormConfig().tabs()[1]
    seen[parcel] = [
        group.children()[0].name()
        for group in tab.children()
        if QgsExpression(group.visibilityExpression().data().expression()).evaluate(scope)
    ]
told["seen"] = seen
told["started"] = visits.startEditing()
def visit(**values):
    given = {visits.fields().indexOf(k): v for k, v in values.items()}
    feature = QgsVectorLayerUtils.createFeature(visits, QgsGeometry(), given)
    visits.addFeature(feature)
    return feature
good = visit(
    parcel_id="P-001",
    surveyor="王工",
    verdict="confirmed",
    q_supply_status="corner_land",
    photo_1="DCIM/1.jpg",
)
told["made_at"] = good["visited_at"]
def faults(**values):
    feature = QgsFeature(visits.fields())
    for name, value in values.items():
        feature[name] = value
    return [
        visits.fields()[i].name()
        for i in range(visits.fields().count())
        if not QgsVectorLayerUtils.validateAttribute(visits, feature, i)[0]
    ]
told["faults"] = faults(parcel_id="NOWHERE", surveyor="王工", visited_at="x")
told["saved"] = visits.commitChanges(False)
told["wal"] = os.path.exists(sys.argv[2] + "-wal")
print("TOLD" + json.dumps(told), flush=True)
os._exit(0)  # as when a tablet's battery dies: the log stays beside the file
"""


def have_qgis():
    if shutil.which(SYSTEM_PYTHON) is None:
        return False
    probe = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    return subprocess.run(probe, check=False, capture_output=True, env=ENVIRONMENT).returncode == 0


@pytest.fixture(scope="module")
def qgis():
    if have_qgis():
        return SYSTEM_PYTHON
    if os.environ.get("CI"):
        pytest.fail("QGIS's Python (Debian: qgis python3-qgis) is not installed")
    pytest.skip("QGIS's Python (Debian: qgis python3-qgis) is not installed")


def ask(qgis, script, *arguments):
    run = subprocess.run(
        [qgis, "-c", script, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("TOLD")]
    assert lines, run.stdout + run.stderr
    return json.loads(lines[0].removeprefix("TOLD"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qgis")
    district.make_result(folder)
    return folder


@pytest.fixture(scope="module")
def told(qgis, home):
    return ask(qgis, OPEN, f"geopackage:{home / 'result.gpkg'}?projectName={NAME}", home / "theme")


@pytest.mark.qgis
def test_every_layer_opens(home, told):
    assert told["read"]
    assert told["crs"] == "EPSG:4548"
    assert told["warnings"] == []
    layers = told["layers"]
    assert [key for key, layer in layers.items() if not layer["valid"]] == []
    assert layers["landremed_decisions"]["rows"] == 60
    with closing(sqlite3.connect(home / "result.gpkg")) as db:
        contents = {row[0] for row in db.execute("SELECT table_name FROM gpkg_contents")}
    assert {key.removeprefix("landremed_") for key in layers} == contents - {"layer_styles"}
    assert list(told["groups"]) == ["复核", "数据问题", "处置建议", "明细与依据"]
    assert told["groups"]["处置建议"] == ["landremed_overlaps", "landremed_parts", "landremed_decisions"]


@pytest.mark.qgis
def test_machine_columns_are_read_only(told):
    layers = told["layers"]
    assert [key for key, layer in layers.items() if not layer["read_only"]] == ["landremed_reviews"]
    assert [key for key, layer in layers.items() if layer["free"]] == ["landremed_reviews"]
    assert "review_id" not in layers["landremed_reviews"]["free"]


@pytest.mark.qgis
def test_forms_relations_and_titles(told):
    decisions = told["layers"]["landremed_decisions"]
    assert decisions["tabs"] == ["建议", "压占", "核对过程", "事实来源", "时限与责任", "复核", "原始属性"]
    assert decisions["aliases"]["outcome"] == "建议类别"
    for column in (
        "outcome",
        "category",
        "subtype",
        "measure",
        "overdue",
        "fact_occupies_ecological_red_line",
    ):
        assert decisions["widgets"][column] == "ValueMap", column
    assert decisions["widgets"]["why"] == "TextEdit"
    assert decisions["widgets"]["ecological_red_line_share"] == "Range"
    # a related row shows its key as text, not as a list of parcels
    assert told["layers"]["landremed_trace"]["widgets"]["trace_id"] == "TextEdit"
    facts = told["layers"]["landremed_facts"]
    assert facts["widgets"]["fact"] == "ValueMap"
    assert 'represent_value("fact")' in facts["display"]
    assert decisions["labels"] == "parcel_id"
    assert told["relations"]
    assert all(told["relations"].values())
    assert {"decisions_reviews", "decisions_trace", "decisions_overlaps"} <= set(told["relations"])
    reviews = told["layers"]["landremed_reviews"]
    assert {"parcel_id", "person", "kind", "fact", "value", "remark"} <= set(reviews["constraints"])
    assert reviews["widgets"]["kind"] == "ValueMap"


@pytest.mark.qgis
def test_every_parcel_has_a_sheet(home, told):
    sheet = told["sheets"]["图斑建议单"]
    first = table(home / "result.gpkg", "decisions")[0]
    assert sheet["pages"] == 60
    assert sheet["first"] == first["parcel_id"]
    assert sheet["on_map"]
    assert sheet["theme"] == THEMES[0]
    assert sheet["drawn"] == 0
    page = "\n".join(sheet["texts"])
    assert f"{first['outcome_label']}  {first['parcel_id']}" in page
    assert first["why"] in page
    assert f"{first['area_m2']:,.2f} ㎡" in page
    assert "[%" not in page
    assert (home / "theme-sheet.pdf").stat().st_size > 1000


def test_themes_are_drawn(home, told):
    assert told["themes"] == THEMES
    rows = table(home / "result.gpkg", "decisions")
    for theme, column in ((THEMES[0], "outcome"), (THEMES[2], "missing_facts"), (THEMES[3], "category")):
        colors = {}
        for row, color in zip(rows, told["pictures"][theme], strict=True):
            # parcels that wait for more than one fact share a colour
            value = "several" if "," in (row[column] or "") else row[column]
            colors.setdefault(value, set()).add(color)
        assert all(len(found) == 1 for found in colors.values()), (theme, colors)
        assert len({next(iter(found)) for found in colors.values()}) == len(colors), (theme, colors)
        assert "#ffffff" not in {next(iter(found)) for found in colors.values()}
    pictures = sorted(home.glob("theme-*.png"))
    assert len(pictures) == 4
    assert len({p.read_bytes() for p in pictures}) == 4


@pytest.mark.qgis
def test_a_package_is_filled_in_and_merged(qgis, home, tmp_path):
    result = Path(shutil.copy(home / "result.gpkg", tmp_path / "result.gpkg"))
    pack_reviews(result, tmp_path / "field")
    opened = ask(qgis, OPEN, tmp_path / "field" / "project.qgz", tmp_path / "field-theme")
    assert [key for key, layer in opened["layers"].items() if not layer["valid"]] == []
    assert all(opened["relations"].values())
    visits = opened["layers"]["landremed_visits"]
    assert visits["widgets"]["photo_1"] == "ExternalResource"
    assert visits["widgets"]["q_supply_status"] == "ValueMap"
    # the folder is carried elsewhere, and a photo is taken there
    (tmp_path / "平板").mkdir()
    moved = (tmp_path / "field").rename(tmp_path / "平板" / "外业 1")
    (moved / "DCIM" / "1.jpg").write_bytes(b"picture")
    edited = ask(qgis, EDIT, moved / "project.qgz", moved / "data.gpkg")
    assert not edited["parcels_editable"]
    missing = {row["parcel_id"]: row["missing_facts"] for row in table(result, "decisions")}
    assert edited["seen"] == {
        pid: [f"q_{fact}" for fact in missing[pid].split(",")] for pid in ("P-000", "P-001")
    }
    assert edited["started"]
    assert edited["saved"]
    assert edited["wal"]
    assert len(edited["made_at"]) == len("2022-04-01T09:00:00")
    assert set(edited["faults"]) >= {"parcel_id", "verdict"}
    merged = merge_reviews(result, [moved])
    assert [row["parcel_id"] for row in merged.changes] == ["P-001"]
    assert merged.problems == []
    assert {(r["photo"], len(r["photo_hash"])) for r in table(result, "reviews")} == {("DCIM/1.jpg", 16)}
    assert (moved / "data.gpkg-wal").exists()  # nothing was touched


def test_a_renamed_file_is_mended(home, tmp_path):
    path = Path(shutil.copy(home / "result.gpkg", tmp_path / "成果 & 1.gpkg"))
    assert relink(path) == [NAME]
    text = read_project(path, project_names(path)[0])
    assert "<datasource>./成果 &amp; 1.gpkg|layername=decisions</datasource>" in text
    assert "result.gpkg" not in text
    assert relink(path) == []


@pytest.mark.qgis
def test_qgis_opens_what_was_relinked(qgis, home, tmp_path):
    path = Path(shutil.copy(home / "result.gpkg", tmp_path / "renamed.gpkg"))
    relink(path)
    opened = ask(qgis, OPEN, f"geopackage:{path}?projectName={NAME}", tmp_path / "x")
    assert all(layer["valid"] for layer in opened["layers"].values())


def test_a_file_without_project_is_told(home, tmp_path):
    with pytest.raises(InputError) as caught:
        relink(home / "parcels.gpkg")
    assert caught.value.code == "relink_no_project"


def test_result_and_package_are_conformant(home, tmp_path):
    samples = pytest.importorskip("osgeo_utils.samples", reason="gdal-utils is not installed")
    script = Path(next(iter(samples.__path__))) / "validate_gpkg.py"
    result = Path(shutil.copy(home / "result.gpkg", tmp_path / "result.gpkg"))
    pack_reviews(result, tmp_path / "field.gpkg")
    district.fill(tmp_path / "field.gpkg", [district.said("P-001", "王工", q_supply_status="corner_land")])
    merge_reviews(result, [tmp_path / "field.gpkg"])
    for path in (result, tmp_path / "field.gpkg"):
        run = subprocess.run([sys.executable, script, path], check=False, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_hostile_words_leave_the_project_readable():
    from xml.etree import ElementTree

    words = "<&>\"'\x01]]>\uffff{name}$title"
    layer = ProjectLayer(words, words, f"./{words}.gpkg|layername=x", words, "Polygon", "<qgis x='1'></qgis>")
    text = project_xml(
        words,
        [layer],
        crs=ProjectCrs(words, words),
        extent=(0, 0, 1, 1),
        relations=[Relation(words, words, words, words)],
        themes=[Theme(words, {words: words}, {words: [1]})],
    )
    root = ElementTree.fromstring(text)
    assert root.find("title").text == "<&>\"']]>{name}$title"
    assert root.find("projectlayers/maplayer/layername").text == "<&>\"']]>{name}$title"


def test_two_runs_give_the_same_project(home, tmp_path):
    district.make_result(tmp_path)
    assert read_project(tmp_path / "result.gpkg", NAME) == read_project(home / "result.gpkg", NAME)
