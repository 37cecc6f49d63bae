"""The outcome colours stay apart for colour-blind readers, and the labels file is whole."""

from __future__ import annotations

from importlib import resources
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml

from landremed.report.labels import column_titles, flag_text, layer_title, role_title, value_label
from landremed.report.palette import LAYER_HATCHES, OTHER_HATCH, OUTCOME_FILLS, SEVERITY_MARKERS
from landremed.report.terminal import display_width, table, wrap
from landremed.types import MAIN_ROLES, Outcome

# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB
DEFICIENCY = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ @ np.ones(3)


def lab(color, deficiency):
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(DEFICIENCY[deficiency] @ linear, 0, 1) / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCY)
def test_outcomes_are_told_apart(deficiency):
    colors = {name: lab(fill.color, deficiency) for name, fill in OUTCOME_FILLS.items()}
    nearest = min(np.linalg.norm(colors[a] - colors[b]) for a, b in combinations(colors, 2))
    assert nearest > 15  # far more than a just noticeable difference (about 2.3)


def test_every_outcome_and_role_is_drawn():
    assert list(OUTCOME_FILLS) == list(Outcome)
    assert set(LAYER_HATCHES) == set(MAIN_ROLES)
    assert len({fill.pattern for fill in (*LAYER_HATCHES.values(), OTHER_HATCH)}) == 5
    assert len({marker.shape for marker in SEVERITY_MARKERS.values()}) == 3
    assert OUTCOME_FILLS[Outcome.NEEDS_REVIEW].line != OUTCOME_FILLS[Outcome.RETAIN].line


def test_labels_stand_in_both_languages():
    text = resources.files("landremed.report").joinpath("templates/labels.yaml").read_text(encoding="utf-8")

    def leaves(entry):
        if "zh" in entry:
            yield entry
        else:
            for inner in entry.values():
                yield from leaves(inner)

    for entry in leaves(yaml.safe_load(text)):
        assert entry["zh"], entry
        assert entry["en"], entry


def test_titles():
    columns = ["parcel_id", "ecological_red_line_share", "fact_x", "airport_area_m2", "WTLX", "due_on"]
    assert column_titles("decisions", columns, "zh", {"x": "甲"}) == {
        "parcel_id": "图斑编号",
        "ecological_red_line_share": "生态保护红线占比",
        "fact_x": "甲(判定)",
        "airport_area_m2": "airport面积(㎡)",
        "due_on": "整治时限",
    }
    assert column_titles("land_use", ["code"], "zh") == {"code": "地类编码"}
    assert layer_title("decisions", "zh") == "处置建议"
    assert layer_title("mine", "en") == "mine"
    assert role_title("green_ecological_barrier", "zh") == "绿色生态屏障"
    assert value_label("outcome", "needs_review", "zh") == "待研判"


def test_flags_in_words():
    assert (
        flag_text("sliver_overlap:ecological_red_line", "zh") == "与生态保护红线的重叠小于容差，按无重叠处理"
    )
    assert "expressway" in flag_text("sensitive:expressway", "en")
    assert flag_text("assumed:x", "zh", {"x": "甲事实"}).startswith("“甲事实”")
    assert flag_text("of_a_later_version:x", "zh") == "of_a_later_version:x"


def test_display_width():
    assert display_width("abc") == 3
    assert display_width("面积(㎡)") == 8
    assert display_width("é") == display_width("e\u0301") == 1


def test_table_lines_up():
    text = table([["违法占地", 12, "1,234.50"], ["lake", 3, None]], ["问题类型", "宗数", "㎡"], "lrr")
    assert text.splitlines() == [
        "问题类型  宗数        ㎡",
        "--------  ----  --------",
        "违法占地    12  1,234.50",
        "lake         3",
    ]
    assert table([], []) == ""
    assert "\n" not in table([["a\nb\x1b[31m"]])


def test_wrap_keeps_width_text_and_punctuation():
    text = (
        "占生态保护红线312.40㎡（8.1%），因此建议拆除；依据 clause 3.2.1(2) of the plan，限2022-12-31前完成。"
        * 3
    )
    lines = wrap(text, 30, "  - ")
    assert all(display_width(line) <= 32 for line in lines)  # closing marks may hang over
    assert "".join(line[4:] for line in lines).replace(" ", "") == text.replace(" ", "")
    assert not any(line.lstrip()[0] in "，。；）" for line in lines)
    assert not any(line.rstrip()[-1] in "（" for line in lines)
    assert wrap("", 10) == [""]


def test_every_titled_column_is_documented():
    labels = yaml.safe_load(
        resources.files("landremed.report").joinpath("templates/labels.yaml").read_text(encoding="utf-8")
    )
    text = (Path(__file__).parents[1] / "docs" / "outputs.md").read_text(encoding="utf-8")
    elsewhere = {"source_programme", "occurred_on"}  # attributes of the parcels
    for column in set(labels["columns"]) - elsewhere:
        assert f"`{column}`" in text, column
    for layer, entry in labels["layers"].items():
        assert f"## {layer} {entry['zh']}" in text, layer
    for flag in labels["flags"]:
        assert f"`{flag}" in text, flag
