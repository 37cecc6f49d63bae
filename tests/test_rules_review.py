"""Rule books held against data, printed, and begun anew."""

import json
import shutil
import sqlite3
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_cli_run import landremed_cli as cli

import landremed
from landremed.law import check_rulebook, load_rulebook
from landremed.law.vocabulary import rules_root

BOOK = load_rulebook("binhai-2022")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The sample district, and the same with parcels cut along the red line."""
    folder = tmp_path_factory.mktemp("coverage")
    project = str(landremed.sample_project())
    landremed.run(landremed.load_project(project), folder / "a.gpkg")
    settings = ["readings.red_line_extent=part"]
    landremed.run(landremed.load_project(project, settings=settings), folder / "b.gpkg")
    return folder


# Parts stand for the parcels that were cut into them. Plain SQL, row by row, in no common code.
ROWS = """
    SELECT trace_id, ',' || coalesce(rule, '') || ',' AS rules, ',' || coalesce(clause, '') || ',' AS clauses,
           outcome, measure, reason FROM decisions d
     WHERE NOT EXISTS (SELECT 1 FROM parts p WHERE p.parcel_id GLOB d.parcel_id || '#*')
    UNION ALL
    SELECT trace_id, ',' || coalesce(rule, '') || ',', ',' || coalesce(clause, '') || ',', outcome, measure,
           reason FROM parts
"""


def by_sql(path):
    with sqlite3.connect(path) as db:
        counts = {}
        for rule in BOOK.rules:
            fired, alone = db.execute(
                f"SELECT count(*), total(rules = ',' || ?1 || ',') FROM ({ROWS})"
                " WHERE outcome <> 'needs_review' AND instr(rules, ',' || ?1 || ',')",
                (rule,),
            ).fetchone()
            (possible,) = db.execute(
                f"SELECT count(*) FROM ({ROWS}) r JOIN trace t ON t.trace_id = r.trace_id AND t.rule = ?1"
                " AND t.decides = 1 WHERE outcome = 'needs_review' AND reason = 'missing_facts'",
                (rule,),
            ).fetchone()
            (asked,) = db.execute(
                f"SELECT count(*) FROM ({ROWS}) r JOIN trace t ON t.trace_id = r.trace_id AND t.rule = ?1",
                (rule,),
            ).fetchone()
            counts[rule] = (asked, fired, int(alone), possible)
        clauses = {
            clause: db.execute(
                f"SELECT count(*) FROM ({ROWS}) WHERE outcome <> 'needs_review'"
                " AND instr(clauses, ',' || ? || ',')",
                (clause,),
            ).fetchone()[0]
            for rule in BOOK.rules.values()
            for clause in rule.clauses.values()
        }
        (rows,) = db.execute(f"SELECT count(*) FROM ({ROWS})").fetchone()
        return rows, counts, clauses


@pytest.mark.parametrize("names", [("a",), ("b",), ("a", "b")])
def test_counts_are_those_of_plain_sql(results, names):
    paths = [results / f"{name}.gpkg" for name in names]
    found = json.loads(cli("rules", "coverage", *paths, "--json").stdout)
    expected = [by_sql(path) for path in paths]
    assert found["rows"] == sum(rows for rows, _, _ in expected)
    for entry in found["rules"]:
        sums = tuple(map(sum, zip(*(counts[entry["rule"]] for _, counts, _ in expected), strict=True)))
        assert (entry["asked"], entry["fired"], entry["alone"], entry["possible"]) == sums, entry["rule"]
    for clause in {c for _, _, clauses in expected for c in clauses}:
        assert found["clauses"].get(clause, 0) == sum(clauses[clause] for _, _, clauses in expected)
    assert sum(sum(ways.values()) for ways in found["ways"].values()) == found["rows"]


def test_a_rule_no_parcel_reaches_is_named(results, tmp_path):
    shutil.copy(results / "a.gpkg", tmp_path / "few.gpkg")
    with sqlite3.connect(tmp_path / "few.gpkg") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute("DELETE FROM decisions WHERE category <> 'idle_land' OR category IS NULL")
        db.execute("DELETE FROM decisions WHERE instr(rule, 'idle.swap') OR reason = 'missing_facts'")
        db.execute("DELETE FROM parts")
    found = json.loads(cli("rules", "coverage", tmp_path / "few.gpkg", "--json").stdout)
    assert "idle.swap" in found["dead_rules"]
    assert "idle.own" not in found["dead_rules"]
    assert set(BOOK.rules) - {r for r in BOOK.rules if r.startswith("idle.")} <= set(found["dead_rules"])
    text = cli("rules", "coverage", tmp_path / "few.gpkg", "--lang", "en").stdout
    assert "never reached" in text
    assert cli("rules", "coverage", tmp_path / "none.gpkg").returncode == 1


class Page(HTMLParser):
    """Tags that are opened and closed in order, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.stack, self.text, self.ids, self.links, self.tags = [], [], set(), set(), []
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in ("br", "meta"):
            self.stack.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            if name == "id":
                self.ids.add(value)
            if name == "href":
                self.links.add(value)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_table_holds_every_rule_clause_reading_and_case(tmp_path, language):
    path = tmp_path / "book.html"
    assert cli("rules", "table", "-o", path, "--lang", language).returncode == 0
    page = Page(path.read_text(encoding="utf-8"))
    text = " ".join(page.text)
    assert set(BOOK.rules) <= page.ids
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    for clause in BOOK.clauses.values():
        assert clause.text.of(language) in text
    for reading in BOOK.reading_specs.values():
        assert reading.question.of(language) in text
    for rule in BOOK.rules.values():
        assert rule.title.of(language) in text
    report = check_rulebook("binhai-2022")
    assert all(result.case.id in text for result in report.results)
    assert text.count("✗") == 0
    assert "script" not in page.tags
    assert cli("rules", "table", "-o", path).returncode == 1
    assert cli("rules", "table", "-o", path, "--overwrite").returncode == 0


def test_table_marks_a_case_that_fails_and_escapes(tmp_path):
    book = tmp_path / "mine"
    shutil.copytree(Path(str(rules_root())) / "binhai-2022", book)
    plan = book / "cases" / "idle_land.yaml"
    text = plan.read_text(encoding="utf-8")
    wrong = (
        "  - {id: wrong, title: '<b>not so</b>', facts: {category: idle_land}, expect: {outcome: retain}}\n"
    )
    plan.write_text(text.rstrip("\n") + "\n" + wrong, encoding="utf-8")
    run = cli("rules", "table", book, "-o", tmp_path / "page.html", "--lang", "en")
    assert run.returncode == 1
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;not so&lt;/b&gt;" in page
    assert "✗" in page
    assert "expected retain, found" in page


def test_a_new_book_is_whole_and_in_nobodys_way(tmp_path):
    book = tmp_path / "deep" / "our-plan"
    assert cli("rules", "new", book, "--from", "binhai-2022").returncode == 0
    assert cli("rules", "check", book).returncode == 0
    assert cli("rules", "test", book).returncode == 0
    assert load_rulebook(book).content_hash == BOOK.content_hash
    assert sorted(p.name for p in book.parent.iterdir()) == ["our-plan"]
    again = cli("rules", "new", book)
    assert again.returncode == 1
    assert "our-plan" in again.stderr
    assert cli("rules", "new", tmp_path / "x", "--from", "binhai-2202").returncode == 1
    assert not (tmp_path / "x").exists()


def test_a_book_in_a_folder_is_found_again_by_its_results(tmp_path):
    """Explain, reports and reviews read the book a result names, wherever the project had it."""
    cli("sample", tmp_path / "s")
    cli("rules", "new", tmp_path / "s" / "our-plan")
    out = tmp_path / "s" / "out.gpkg"
    cli("run", tmp_path / "s" / "project.toml", "-o", out, "--set", "project.rules=our-plan")
    told = json.loads(cli("explain", out, "BH-OCC-004", "--json", "--lang", "en").stdout)
    assert told["notes"] == []
    assert told["rules"][-1]["words"] == "occupies the ecological red line: yes"
