"""The commands review, relink and export: words, numbers, exit status."""

import json
import shutil
from pathlib import Path

import pytest
import review_district as district
from landremed_cli.main import main
from review_district import fill, said


class Run:
    def __init__(self, returncode, stdout, stderr):
        self.returncode, self.stdout, self.stderr = returncode, stdout, stderr


@pytest.fixture
def landremed(capsys):
    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(a) for a in arguments])
        told = capsys.readouterr()
        return Run(ended.value.code, told.out, told.err)

    return call


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    district.make_result(folder)
    return folder


@pytest.fixture
def result(home, tmp_path):
    return Path(shutil.copy(home / "result.gpkg", tmp_path / "result.gpkg"))


def test_pack_and_merge(landremed, result, tmp_path):
    packed = landremed("review", "pack", result, "-o", tmp_path / "field", "--json")
    assert packed.returncode == 0
    told = json.loads(packed.stdout)
    assert told["parcels"] > 0
    fill(tmp_path / "field", [said("P-001", "王工", q_supply_status="corner_land"), said("P-003", "王工")])
    merged = landremed("review", "merge", result, tmp_path / "field", "--lang", "zh")
    assert merged.returncode == 0
    assert "新增 3 条" in merged.stdout
    assert "P-001：建议补办手续 -> 建议补办手续（supply_status=corner_land）" in merged.stdout
    why = landremed("explain", result, "P-001", "--lang", "zh").stdout
    assert "外业核查" in why
    assert "corner_land (王工 2022-04-01T09:00:00)" in why.replace("\n", "").replace("      ", "")
    fill(tmp_path / "field", [said("P-001", "李工", q_supply_status="used_not_supplied")])
    clash = landremed("review", "merge", result, tmp_path / "field", "--lang", "en")
    assert clash.returncode == 3
    assert "P-001: people disagree on supply_status" in clash.stderr
    document = json.loads(landremed("review", "merge", result, "--json").stdout)
    assert document["counts"]["clashes"] == 1
    assert document["clashes"][0]["said"].count(";") == 1


def test_facts_learned_serve_a_run_into_another_file(landremed, home, result, tmp_path):
    from review_district import table

    from landremed import run

    fill_in = [
        said("P-001", "王工", q_supply_status="corner_land"),
        said("P-000", "王工", q_cultivable="false"),
    ]
    landremed("review", "pack", result, "-o", tmp_path / "field")
    fill(tmp_path / "field", fill_in)
    learned = tmp_path / "learned.xlsx"
    merged = landremed("review", "merge", result, tmp_path / "field", "--evidence", learned)
    assert merged.returncode == 0
    assert str(learned) in merged.stdout
    again = landremed("review", "merge", result, "--evidence", learned)
    assert again.returncode == 1  # nothing is replaced unasked
    project = tmp_path / "project.toml"
    text = (home / "project.toml").read_text(encoding="utf-8")
    for name in ("parcels.gpkg", "red.gpkg"):
        shutil.copy(home / name, tmp_path / name)
    project.write_text(text + '[[evidence]]\npath = "learned.xlsx"\nid = "parcel_id"\n', encoding="utf-8")
    run(project, tmp_path / "new.gpkg", engine="shapely")
    columns = ("parcel_id", "outcome", "measure", "clause", "due_on", "missing_facts", "why")
    ours, new = (
        [tuple(r[c] for c in columns) for r in table(p, "decisions")] for p in (result, tmp_path / "new.gpkg")
    )
    assert ours == new


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("review", "merge", "{}", "missing.gpkg"), "missing.gpkg"),
        (("review", "pack", "{}", "-o", "x/y/z"), "x/y"),
        (("review", "pack", "{}", "-o", "f", "--where", "1 = 0"), "no parcel is left"),
        (("review", "pack", "{}", "-o", "f", "--where", "nonsense("), "nonsense("),
        (("relink", "no.gpkg"), "no.gpkg"),
        (("export", "{}", "-o", "x/y/z"), "x/y"),
    ],
)
def test_faults_are_one_sentence(landremed, result, arguments, words):
    run = landremed(*(a.format(result) for a in arguments), "--lang", "en")
    assert run.returncode == 1
    assert run.stderr.startswith("Error: ")
    assert words in run.stderr


def test_relink_and_export(landremed, result, tmp_path):
    renamed = result.rename(tmp_path / "other.gpkg")
    assert "处置建议" in landremed("relink", renamed, "--lang", "zh").stdout
    assert landremed("relink", renamed, "--lang", "en").stdout.startswith(
        "The project points at this file already"
    )
    run = landremed("export", renamed, "-o", tmp_path / "out", "-f", "geojson", "--by", "outcome", "--json")
    assert run.returncode == 0
    assert set(json.loads(run.stdout)["files"]) == {p.name for p in (tmp_path / "out").iterdir()}
