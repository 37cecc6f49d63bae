"""Tables, dossiers, case files and charts: read back by other programs, and held against the file."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import zipfile
from datetime import date, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import openpyxl
import pytest
import shapely
from landremed_cli.main import main
from openpyxl.utils.escape import unescape

import landremed
from landremed.errors import InputError, OutputError
from landremed.report.casefile import write_casefile
from landremed.report.charts import write_charts
from landremed.report.dossier import write_dossier
from landremed.report.fonts import choose_font
from landremed.report.land_classes import use_by_parcel
from landremed.report.rates import read_rates
from landremed.report.replay import replay
from landremed.report.resultfile import open_result
from landremed.report.sheets import write_table

_spec = importlib.util.spec_from_file_location(
    "report_results", Path(__file__).with_name("report_results.py")
)
results = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(results)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return results.sample_result(tmp_path_factory.mktemp("report") / "r.gpkg")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return results.hostile_result(tmp_path_factory.mktemp("hostile"))


def query(path, text, *values):
    with sqlite3.connect(path) as db:
        return db.execute(text, values).fetchall()


def need(program):
    if shutil.which(program) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is not installed")


def header(sheet, row):
    return [cell.value for cell in sheet[row]]


# tables


@pytest.fixture(scope="module")
def workbook(sample):
    write_table(sample, sample.with_name("t.xlsx"))
    return openpyxl.load_workbook(sample.with_name("t.xlsx"))


def test_table_has_every_parcel_and_its_numbers(workbook, sample):
    sheet = workbook["套合分析"]
    names = header(sheet, 5)
    rows = list(sheet.iter_rows(min_row=6, max_row=sheet.max_row - 1, values_only=True))
    assert [row[1] for row in rows] == [
        r[0] for r in query(sample, "SELECT parcel_id FROM decisions ORDER BY fid")
    ]
    for title, column in (
        ("面积（㎡）", "area_m2"),
        ("永久基本农田", "permanent_basic_farmland_area_m2"),
        ("生态保护红线", "ecological_red_line_area_m2"),
        ("城镇开发边界内", "urban_development_boundary_area_m2"),
        ("耕地", "cultivated_area_m2"),
        ("建议拆除面积(㎡)", "demolish_area_m2"),
    ):
        place = names.index(title)
        total = sum(row[place] or 0 for row in rows)
        assert total == pytest.approx(
            query(sample, f"SELECT sum({column}) FROM decisions")[0][0], abs=1e-4
        ), title
        assert sheet.cell(sheet.max_row, place + 1).value.startswith("=SUBTOTAL(109,")
    due = names.index("整治时限")
    assert {row[due] for row in rows if row[due]} == {
        datetime.fromisoformat(r[0])
        for r in query(sample, "SELECT DISTINCT due_on FROM decisions WHERE due_on > ''")
    }
    inside, outside = names.index("城镇开发边界内"), names.index("城镇开发边界外")
    area = names.index("面积（㎡）")
    for row in rows:
        if row[inside] is not None:
            assert row[inside] + row[outside] == pytest.approx(row[area], abs=0.011)


def test_table_keeps_sums_for_readers_that_do_not_calculate(workbook, sample):
    cached = openpyxl.load_workbook(sample.with_name("t.xlsx"), data_only=True)["套合分析"]
    place = header(cached, 5).index("面积（㎡）") + 1
    total = query(sample, "SELECT sum(area_m2) FROM decisions")[0][0]
    assert cached.cell(cached.max_row, place).value == pytest.approx(total, abs=1e-3)


def test_table_set_up(workbook):
    sheet = workbook["套合分析"]
    assert sheet.freeze_panes == "C6"
    assert sheet.auto_filter.ref.startswith("A5:")
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.page_setup.fitToHeight == 0
    assert sheet.print_title_rows == "$4:$5"


def test_subtotals(workbook, sample):
    for name, column in (("按责任单位汇总", "implementing_unit"), ("按问题类型汇总", "category")):
        sheet = workbook[name]
        names = header(sheet, 1)
        rows = list(sheet.iter_rows(min_row=2, max_row=sheet.max_row - 1, values_only=True))
        expected = query(sample, f"SELECT count(*), sum(area_m2) FROM decisions GROUP BY {column}")
        assert sorted(row[1] for row in rows) == sorted(r[0] for r in expected)
        assert sum(row[2] for row in rows) == pytest.approx(sum(r[1] for r in expected), abs=1e-2)
        for outcome, title in (("demolish_restore", "建议拆除恢复（宗）"), ("needs_review", "待研判（宗）")):
            counted = query(sample, "SELECT count(*) FROM decisions WHERE outcome = ?", outcome)[0][0]
            assert sum(row[names.index(title)] for row in rows) == counted
    assert workbook["数据问题"].max_row - 1 == query(sample, "SELECT count(*) FROM issues")[0][0]
    kept = {row[0]: row[1] for row in workbook["成果来源"].iter_rows(min_row=2, values_only=True)}
    assert kept["rules_hash"] == query(sample, "SELECT value FROM provenance WHERE key = 'rules_hash'")[0][0]


def test_table_in_english(sample, tmp_path):
    write_table(sample, tmp_path / "t.xlsx", language="en")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    assert book.sheetnames == ["Parcels", "By unit", "By class", "Findings", "Provenance"]
    labels = {row[0] for row in book["By class"].iter_rows(min_row=2, values_only=True)}
    assert "illegal occupation" in labels


def test_equal_results_give_equal_workbooks(sample, tmp_path):
    for name in ("a", "b"):
        write_table(sample, tmp_path / f"{name}.xlsx")
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_hostile_texts_are_text_in_the_workbook(hostile, tmp_path):
    write_table(hostile, tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    sheet = book["套合分析"]
    found = next(sheet.iter_cols(min_col=2, max_col=2, min_row=6, max_row=45))
    # both writers and readers know _x0041_ as the escape of a letter
    assert [unescape(cell.value) for cell in found] == [
        r[0] for r in query(hostile, "SELECT parcel_id FROM decisions ORDER BY fid")
    ]
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                if cell.data_type == "f":
                    assert cell.value.startswith("=SUBTOTAL(109,")


def test_land_classes_by_hand():
    rows = [
        {"parcel_id": "a", "code": "0102", "area_m2": 10.0},
        {"parcel_id": "a", "code": "1104K", "area_m2": 5.0},
        {"parcel_id": "a", "code": "0602", "area_m2": 2.0},
        {"parcel_id": "a", "code": "1101", "area_m2": 1.0},
        {"parcel_id": "a", "code": None, "area_m2": 0.5},
    ]
    assert use_by_parcel(rows)["a"] == {
        "agricultural": 15.0,
        "construction": 2.0,
        "unused": 1.0,
        "unsorted": 0.5,
        "adjustable": 5.0,
    }


# dossiers


NAMED = ["BH-OCC-004", "BH-LAKE-010", "BH-GEOM-002"]


def pages(path):
    need("pdftotext")
    text = subprocess.run(
        ["pdftotext", "-layout", path, "-"], capture_output=True, check=True
    ).stdout.decode()
    return text.split("\f")[:-1]


@pytest.fixture(scope="module")
def dossier(sample):
    pytest.importorskip("typst")
    write_dossier(sample, sample.with_name("d.pdf"), parcels=NAMED)
    return sample.with_name("d.pdf")


def test_one_page_per_parcel_with_its_texts(dossier, sample):
    found = pages(dossier)
    assert len(found) == 3
    order = [r[0] for r in query(sample, "SELECT parcel_id FROM decisions ORDER BY fid") if r[0] in NAMED]
    for parcel, page in zip(order, found, strict=True):
        label, area = query(
            sample, "SELECT outcome_label, area_m2 FROM decisions WHERE parcel_id = ?", parcel
        )[0]
        plain = page.replace(" ", "")
        assert parcel in page
        assert label in plain
        assert (f"{area:,.2f}" if area else "未量算") in page
        for word in ("事实及来源", "规则核对", "责任单位", "牵头单位审核", "演示数据"):
            assert word in plain
    points = shapely.get_coordinates(open_result(sample).shapes("decisions", ["BH-OCC-004"])[0])
    page = found[order.index("BH-OCC-004")]
    for x, y in points.tolist():
        assert f"{y:.3f}" in page
        assert f"{x:.3f}" in page


def test_pages_show_the_map_and_no_boxes(dossier, tmp_path):
    need("pdftoppm")
    pil = pytest.importorskip("PIL.Image")
    fonts = subprocess.run(["pdffonts", dossier], capture_output=True, check=True, text=True).stdout
    assert "CJK" in fonts or "YaHei" in fonts or "Han" in fonts
    subprocess.run(["pdftoppm", "-r", "60", "-png", dossier, tmp_path / "p"], check=True)
    pictures = sorted(tmp_path.glob("p*.png"))
    assert len(pictures) == 3
    seen = [np.asarray(pil.open(path).convert("RGB")).reshape(-1, 3).astype(int) for path in pictures]
    assert all((page < 200).any(axis=1).mean() > 0.01 for page in seen)
    lake = next(page for page, text in zip(seen, pages(dossier), strict=True) if "BH-LAKE-010" in text)
    needs_review = np.abs(lake - (247, 241, 160))
    assert (needs_review.max(axis=1) < 12).sum() > 300  # half of the outcome's yellow over the ground


def test_every_parcel_of_the_plan_fits_one_page(sample, tmp_path):
    pytest.importorskip("typst")
    chosen = open_result(sample).select("parcel_id LIKE 'BH-%-00_' AND fid % 3 = 0")
    assert write_dossier(sample, tmp_path / "d.pdf", parcels=chosen, language="en") == len(chosen)
    assert len(pages(tmp_path / "d.pdf")) == len(chosen)


def test_folder_with_a_file_each_and_hostile_names(hostile, tmp_path):
    pytest.importorskip("typst")
    assert write_dossier(hostile, tmp_path / "d.pdf") == 40
    found = pages(tmp_path / "d.pdf")
    assert len(found) == 40
    for name, page in zip(
        [r[0] for r in query(hostile, "SELECT parcel_id FROM decisions ORDER BY fid")], found, strict=True
    ):
        if name.isascii() and len(name) < 40:
            assert "".join(name.split()) in "".join(page.split()), name
    three = open_result(hostile).select(ids=["../../etc/passwd", "C:\\con\\nul", "=1+1"])
    write_dossier(hostile, tmp_path / "each", parcels=three)
    files = sorted(path.name for path in (tmp_path / "each").rglob("*"))
    assert files == ["=1+1.pdf", "C__con_nul.pdf", "_.._etc_passwd.pdf"]


def test_own_template_and_its_faults(sample, tmp_path):
    pytest.importorskip("typst")
    own = tmp_path / "own.typ"
    own.write_text("#let d = json(sys.inputs.data)\n#for p in d.parcels [#p.id #p.area]", encoding="utf-8")
    write_dossier(sample, tmp_path / "d.pdf", parcels=["BH-OCC-004"], template=own)
    assert "BH-OCC-004" in pages(tmp_path / "d.pdf")[0]
    own.write_text("#let d = json(", encoding="utf-8")
    with pytest.raises(OutputError) as fault:
        write_dossier(sample, tmp_path / "e.pdf", parcels=["BH-OCC-004"], template=own)
    assert fault.value.code == "report_template_fault"
    assert not (tmp_path / "e.pdf").exists()


def test_fonts_are_checked_first(tmp_path):
    assert choose_font(["Libertinus Serif", "simsun"]) == "simsun"
    assert choose_font(["SimSun", "Noto Sans CJK SC"]) == "Noto Sans CJK SC"
    assert choose_font(["SimSun"], ["My Own"]) == "My Own"
    with pytest.raises(OutputError) as fault:
        choose_font(["Libertinus Serif", "DejaVu Sans Mono"])
    assert fault.value.code == "report_no_chinese_font"


def test_selection(sample):
    result = open_result(sample)
    chosen = result.select("outcome = 'demolish_restore' AND area_m2 > 20000")
    expected = query(
        sample,
        "SELECT parcel_id FROM decisions WHERE outcome='demolish_restore' AND area_m2>20000 ORDER BY fid",
    )
    assert chosen == [row[0] for row in expected]
    for where in (
        "nonsense = 1",
        "1) UNION SELECT name FROM sqlite_master WHERE (1",
        "load_extension('x')",
        "1; DROP TABLE parts",
    ):
        with pytest.raises(InputError) as fault:
            result.select(where)
        assert fault.value.code in ("report_bad_condition", "report_nothing_selected"), where
    with pytest.raises(InputError) as fault:
        result.select(ids=["BH-OCC-04"])
    assert "BH-OCC-004" in fault.value.text("en")
    with pytest.raises(InputError):
        result.select("area_m2 < 0")


# case files


SPREAD = "SELECT min(parcel_id) FROM decisions GROUP BY outcome, category, reason"


@pytest.mark.parametrize("straddle", ["review", "split"])
def test_case_files_replay(sample, tmp_path, straddle):
    path = sample
    if straddle == "split":
        project = landremed.load_project(landremed.sample_project(), settings=["project.straddle=split"])
        path = tmp_path / "split.gpkg"
        landremed.run(project, path, engine="shapely")
        ids = [
            r[0].rpartition("#")[0]
            for r in query(path, "SELECT parcel_id FROM parts WHERE parcel_id LIKE '%#2' LIMIT 6")
        ]
        assert ids
    else:
        ids = [row[0] for row in query(path, SPREAD)]
        assert len(ids) > 15
    for parcel in ids:
        write_casefile(path, parcel, tmp_path / "c.zip", overwrite=True)
        found = replay(tmp_path / "c.zip")
        assert found.same, found.text("en")
        assert {"files", "rules", "decision"} <= {check.group for check in found.checks}


@pytest.fixture(scope="module")
def case(sample):
    write_casefile(sample, "BH-OCC-004", sample.with_name("case.zip"))
    return sample.with_name("case.zip")


def altered(case, target, name, change):
    """Write the case file with one file changed and its hash mended, as a careful forger would."""
    with zipfile.ZipFile(case) as old:
        files = {entry: old.read(entry) for entry in old.namelist()}
    files[name] = change(files[name])
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = hashlib.sha256(files[name]).hexdigest()
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as new:
        for entry, content in files.items():
            new.writestr(entry, content)
    return target


def edit(**values):
    def change(content):
        document = json.loads(content)
        for path, value in values.items():
            place = document
            *way, last = path.split("__")
            for step in way:
                place = place[int(step) if step.isdigit() else step]
            place[last] = value
        return json.dumps(document).encode()

    return change


@pytest.mark.parametrize(
    ("name", "change", "group"),
    [
        ("case.json", edit(decision__outcome="retain"), "decision"),
        ("case.json", edit(decision__due_on="2030-01-01"), "decision"),
        ("case.json", edit(decision__area_m2=12000.0), "areas"),
        ("case.json", edit(decision__ecological_red_line_area_m2=0.0), "areas"),
        ("case.json", edit(decision__fact_occupies_ecological_red_line="false"), "facts"),
        ("case.json", edit(decision__fact_occupies_ecological_red_line="false"), "decision"),
        ("case.json", edit(facts__1__value="residential"), "decision"),
        ("case.json", edit(trace__3__decides=0), "trace"),
        (
            "rules/binhai-2022/illegal_occupation.yaml",
            lambda text: text.replace(
                b"occupies_ecological_red_line is true", b"occupies_ecological_red_line is false"
            ),
            "rules",
        ),
    ],
)
def test_what_was_changed_does_not_replay(case, tmp_path, name, change, group):
    found = replay(altered(case, tmp_path / "c.zip", name, change))
    assert not found.same
    assert group in {check.group for check in found.checks if not check.same}
    assert "NOT" in found.text("en")


def test_a_file_changed_or_added_is_noticed(case, tmp_path):
    shutil.copy(case, tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "a") as archive:
        archive.writestr("note.txt", "x")
    found = replay(tmp_path / "c.zip")
    assert [check.name for check in found.checks if not check.same] == ["note.txt"]


def test_case_file_needs_nothing_else(case):
    with zipfile.ZipFile(case) as archive:
        names = set(archive.namelist())
        assert {
            "README.txt",
            "case.json",
            "geometry.json",
            "coordinates.csv",
            "areas.csv",
            "manifest.json",
        } <= names
        assert "rules/facts.yaml" in names
        assert "建议" in archive.read("explanation.zh.txt").decode()
        kept = json.loads(archive.read("case.json"))
        areas = archive.read("areas.csv").decode("utf-8-sig").splitlines()
    assert len(kept["provenance"]["input.ecological_red_line"]) > 64
    assert areas[1].split(",")[:3] == ["parcel", "12365.09", "12365.09"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04broken", b"\x00" * 100])
def test_broken_archives(tmp_path, content):
    (tmp_path / "c.zip").write_bytes(content)
    with pytest.raises(InputError):
        replay(tmp_path / "c.zip")


def test_an_archive_that_is_no_case_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("../evil.yaml", "x")
        archive.writestr("manifest.json", "[]")
    with pytest.raises(InputError) as fault:
        replay(tmp_path / "c.zip")
    assert fault.value.code == "report_casefile_broken"
    assert not (tmp_path.parent / "evil.yaml").exists()


# charts


def test_charts(sample, tmp_path):
    pytest.importorskip("matplotlib")
    names = write_charts(sample, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    again = tmp_path / "again"
    write_charts(sample, again)
    for name in names:
        assert (tmp_path / name).read_bytes() == (again / name).read_bytes(), name
        if name.endswith("svg"):
            tree = ElementTree.parse(tmp_path / name)
            tags = {element.tag.rpartition("}")[2] for element in tree.iter()}
            assert not tags & {"script", "image", "foreignObject", "a"}
        else:
            pil = pytest.importorskip("PIL.Image")
            assert pil.open(tmp_path / name).width >= 1200


def test_hostile_texts_in_charts(hostile, tmp_path):
    pytest.importorskip("matplotlib")
    write_charts(hostile, tmp_path)
    for path in tmp_path.glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        ElementTree.fromstring(text)
        assert "<script" not in text
        assert "onerror" not in "".join(
            line for line in text.splitlines() if not line.lstrip().startswith("<!--")
        )


# commands


def test_commands(sample, tmp_path, capsys):
    def command(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, stop.value.code, told.out, told.err)

    done = command("--json", "report", "table", sample, "-o", tmp_path / "t.xlsx")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parcels"] == 600
    refused = command("--lang", "en", "report", "table", sample, "-o", tmp_path / "t.xlsx")
    assert refused.returncode == 1
    assert "--overwrite" in refused.stderr
    assert command("report", "casefile", sample, "BH-OCC-004", "-o", tmp_path / "c.zip").returncode == 0
    same = command("--lang", "en", "replay", tmp_path / "c.zip")
    assert (same.returncode, "reproduced" in same.stdout) == (0, True)
    altered(tmp_path / "c.zip", tmp_path / "d.zip", "case.json", edit(decision__outcome="retain"))
    assert command("replay", tmp_path / "d.zip").returncode == 3
    missing = command("--lang", "en", "report", "map", tmp_path / "no.gpkg", "-o", tmp_path / "m.html")
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr
    assert "dossier" in command("report", "--help").stdout


def test_rates_by_hand(tmp_path):
    pytest.importorskip("matplotlib")
    spec = importlib.util.spec_from_file_location(
        "ledger_results", Path(__file__).with_name("ledger_results.py")
    )
    ledgers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(ledgers)
    parcels = {f"p{k}": ledgers.DEMOLISH for k in range(4)} | {
        "lake": {**ledgers.FILL, "implementing_unit": "乙镇"}
    }
    ledger = ledgers.make_ledger(tmp_path, parcels)
    ledgers.walk(ledger, "p0", date(2022, 6, 20), evidence=ledgers.proof(tmp_path))
    rates = read_rates(ledger, date(2022, 7, 15), "zh")
    # 4 illegal occupations, 50 % due on 2022-06-30, one done; 1 lake, 50 % due on the same day, not done
    told = {rate.name: (rate.reached, rate.target, rate.total, rate.on) for rate in rates["schedule"]}
    assert told == {
        "其他违法占地": (0.25, 0.5, 4, date(2022, 6, 30)),
        "挖田造湖填湖复耕": (0.0, 0.5, 1, date(2022, 6, 30)),
    }
    assert [(r.name, r.reached, r.target, r.total) for r in rates["class"]] == [
        ("挖田造湖", 0.0, 1.0, 1),  # half of one parcel is one parcel
        ("违法占地", 0.25, 0.5, 4),
    ]
    assert [(r.name, r.reached, r.total) for r in rates["unit"]] == [("甲镇", 0.25, 4), ("乙镇", 0.0, 1)]
    names = write_charts(tmp_path / "out.gpkg", tmp_path / "c", ledger=ledger, as_of=date(2022, 7, 15))
    assert {"rates_by_schedule.png", "rates_by_class.svg", "rates_by_unit.svg"} <= set(names)
    assert all((tmp_path / "c" / name).stat().st_size > 5000 for name in names)


def test_case_file_holds_the_ledger(tmp_path):
    """What the ledger wrote of a parcel stands in its case file, event by event, and it still replays."""

    result, ledger, case = tmp_path / "r.gpkg", tmp_path / "l.gpkg", tmp_path / "c.zip"
    for arguments in (
        ("run", landremed.sample_project(), "-o", result, "-q"),
        ("ledger", "init", result, "-o", ledger, "--on", "2022-03-31", "-q"),
        ("ledger", "set", ledger, "BH-LAKE-004", "--state", "verified", "--on", "2022-04-06", "-q"),
        ("report", "casefile", result, "BH-LAKE-004", "-o", case, "--ledger", ledger),
        ("replay", case),
    ):
        with pytest.raises(SystemExit) as end:
            main([str(a) for a in arguments])
        assert end.value.code in (0, 3, None), arguments
    with zipfile.ZipFile(case) as archive:
        events = json.loads(archive.read("ledger.json"))["events"]
    assert [e["parcel_id"] for e in events] == ["BH-LAKE-004"] * len(events)
    assert events[-1]["day"] == "2022-04-06"
    assert "verified" in json.dumps(events[-1]["new"])
