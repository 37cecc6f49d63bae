"""QGIS itself opens the result, applies the default styles and draws them.

QGIS has a Python of its own, so each check runs there as a script.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
import shapely

from landremed.io.gpkg import OutLayer, write_geopackage
from landremed.report.labels import labelled
from landremed.report.palette import OUTCOME_FILLS
from landremed.report.styles import default_styles

pytestmark = pytest.mark.qgis

SYSTEM_PYTHON = os.environ.get("LANDREMED_QGIS_PYTHON", "/usr/bin/python3")
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV", "PROJ_", "GDAL_"))},
    "QT_QPA_PLATFORM": "offscreen",
}

SCRIPT = """
import json, os, sys
from qgis.core import *
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor
path, picture, points = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
app = QgsApplication([], False)
app.initQgis()
told = {}
layers = []
for name in ("issues", "overlaps", "decisions", "trace"):
    layer = QgsVectorLayer(f"{path}|layername={name}", name, "ogr")
    fields = layer.fields()
    told[name] = {
        "valid": layer.isValid(),
        "rows": layer.featureCount(),
        "aliases": {f.name(): layer.attributeAlias(i) for i, f in enumerate(fields)},
        "widgets": {f.name(): layer.editorWidgetSetup(i).type() for i, f in enumerate(fields)},
    }
    if layer.isSpatial():
        renderer = layer.renderer()
        told[name].update(
            attribute=renderer.classAttribute(),
            legend={c.value(): c.label() for c in renderer.categories()},
            hidden=[c.value() for c in renderer.categories() if not c.renderState()],
            colors={c.value(): c.symbol().symbolLayer(0).fillColor().name() for c in renderer.categories()},
            labels=layer.labeling().settings().fieldName if layer.labelsEnabled() else "",
            scale=layer.labeling().settings().minimumScale if layer.labelsEnabled() else 0,
            epsg=layer.crs().authid(),
        )
        if layer.labelsEnabled() and layer.labeling().settings().isExpression:
            expression = QgsExpression(layer.labeling().settings().fieldName)
            context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
            texts = []
            for feature in layer.getFeatures():
                context.setFeature(feature)
                value = expression.evaluate(context)
                texts.append(value if isinstance(value, str) else None)
            told[name]["label_texts"] = texts
        layers.append(layer)
decisions = layers[-1]
decisions.setLabelsEnabled(False)
settings = QgsMapSettings()
settings.setLayers([decisions])
settings.setDestinationCrs(decisions.crs())
settings.setOutputSize(QSize(500, 100))
settings.setBackgroundColor(QColor("white"))
settings.setExtent(QgsRectangle(500000, 4300000, 500500, 4300100))
job = QgsMapRendererParallelJob(settings)
job.start()
job.waitForFinished()
image = job.renderedImage()
image.save(picture)
told["pixels"] = [QColor(image.pixel(x, y)).getRgb()[:3] for x, y in points]
print("TOLD" + json.dumps(told), flush=True)
os._exit(0)  # QGIS may crash when Python takes its objects apart
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


def wkb(*geometries):
    values = [None if g is None else shapely.to_wkb(g, byte_order=1) for g in geometries]
    return pa.array(values, type=pa.large_binary())


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Five squares in a row, one per outcome, each 80 m wide."""
    squares = [shapely.box(500010 + 100 * i, 4300010, 500090 + 100 * i, 4300090) for i in range(5)]
    outcomes = list(OUTCOME_FILLS)
    layers = [
        OutLayer(
            "decisions",
            pa.table(
                {
                    "parcel_id": [f"滨海-{i}" for i in range(5)],
                    "outcome": outcomes,
                    "why": ["<b>&"] * 5,
                    "ecological_red_line_area_m2": [1.5] * 5,
                }
            ),
            wkb(*squares),
        ),
        OutLayer(
            "overlaps",
            pa.table(
                {
                    "parcel_id": ["滨海-0", "滨海-1"],
                    "layer": ["ecological_red_line", "airport"],
                    "area_m2": [6400.0, 0.5],
                    "sliver_kind": [None, "shared_edge"],
                }
            ),
            wkb(*squares[:2]),
        ),
        OutLayer(
            "issues",
            pa.table({"parcel_id": ["滨海-0", None], "severity": ["error", "info"]}),
            wkb(squares[0].centroid, None),
            "Point",
        ),
        OutLayer("trace", pa.table({"trace_id": [1], "rule": ["a"]})),
    ]
    layers = [labelled(layer, "zh") for layer in layers]
    path = tmp_path_factory.mktemp("qgis") / "成果.gpkg"
    write_geopackage(path, layers, crs_wkt="EPSG:4548", styles=default_styles(layers, "zh"))
    return path


@pytest.fixture(scope="module")
def told(qgis, result):
    points = json.dumps([[50 + 100 * i, 50] for i in range(5)])
    picture = result.with_suffix(".png")
    run = subprocess.run(
        [qgis, "-c", SCRIPT, str(result), str(picture), points],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("TOLD")]
    assert lines, run.stdout + run.stderr
    assert "may only be partially supported" not in run.stderr
    return json.loads(lines[0].removeprefix("TOLD"))


def test_layers_open(told):
    rows = {name: (told[name]["valid"], told[name]["rows"]) for name in told if name != "pixels"}
    assert rows == {"decisions": (True, 5), "overlaps": (True, 2), "issues": (True, 2), "trace": (True, 1)}
    assert told["decisions"]["epsg"] == "EPSG:4548"


def test_small_overlaps_are_labelled_by_what_they_come_from(told):
    assert told["overlaps"]["label_texts"] == [None, "共用边重复数字化碎缝\n0.5 m²"]
    assert 500 <= told["overlaps"]["scale"] <= 2500


def test_default_style_is_applied(told):
    decisions = told["decisions"]
    assert decisions["attribute"] == "outcome"
    assert decisions["legend"] == {
        "retain": "建议保留",
        "complete_paperwork": "建议补办手续",
        "demolish_restore": "建议拆除恢复",
        "needs_review": "待研判",
        "out_of_scope": "另行处置",
    }
    assert decisions["colors"] == {str(code): fill.color for code, fill in OUTCOME_FILLS.items()}
    assert decisions["labels"] == "parcel_id"
    assert 1000 <= decisions["scale"] <= 50000
    assert told["overlaps"]["legend"]["ecological_red_line"] == "生态保护红线"
    assert told["overlaps"]["legend"][""] == "其他图层"
    assert told["overlaps"]["hidden"] == ["admin_units", "land_use"]
    assert told["decisions"]["hidden"] == []
    assert told["issues"]["legend"] == {"error": "错误", "warning": "警告", "info": "提示"}


def test_titles_are_shown(told):
    assert told["decisions"]["aliases"]["ecological_red_line_area_m2"] == "生态保护红线面积(㎡)"
    assert told["decisions"]["widgets"]["outcome"] == "ValueMap"
    assert told["trace"]["aliases"]["rule"] == "规则"


def test_squares_are_drawn_in_their_colours(told):
    for pixel, fill in zip(told["pixels"], OUTCOME_FILLS.values(), strict=True):
        color = [int(fill.color[i : i + 2], 16) for i in (1, 3, 5)]
        drawn = [round(255 + (part - 255) * fill.opacity) for part in color]
        assert all(abs(a - b) <= 2 for a, b in zip(pixel, drawn, strict=True)), (pixel, drawn)


def test_picture_is_written(told, result):
    assert Path(result.with_suffix(".png")).read_bytes().startswith(b"\x89PNG")
