"""Make the document template of the monthly report, landremed/report/templates/monthly.docx.

Run it after changing what the report shows; offices replace the template with their own (--template).
"""

from pathlib import Path

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Pt, RGBColor

TARGET = Path(__file__).resolve().parents[1] / "landremed" / "report" / "templates" / "monthly.docx"
FIGURES = (
    "base",
    "base_mu",
    "cultivated_mu",
    "done_month",
    "done",
    "done_mu",
    "open",
    "rate_count",
    "rate_area",
)
TABLES = {
    "account": (
        "account",
        "class",
        ("label", "opening", "new", "transferred_in", "transferred_out", "reopened", "closed", "closing"),
    ),
    "class": ("classes", "class", ("label", *FIGURES)),
    "unit": ("units", "unit", ("label", *FIGURES)),
    "outcome": ("outcomes", "outcome", ("label", *FIGURES)),
    "subsets": ("subsets", "subset", ("label", "overlap_mu", *FIGURES)),
    "milestones": (
        "milestones",
        "group",
        (
            "label",
            "on",
            "target",
            "reached",
            "rate_count",
            "rate_area",
            "short",
            "short_mu",
            "basis",
            "rate_on_day",
            "verdict",
        ),
    ),
    "overdue": ("overdue", "unit", ("unit", "parcel_id", "class", "measure", "state", "due_on", "area_mu")),
    "problems": ("problems", "unit", ("unit", "parcel_id", "text")),
    "next_steps": ("next_steps", "unit", ("unit", "parcel_id", "text")),
    "moved": ("moved", "kind", ("kind", "unit", "parcel_id", "on", "times")),
}
TEXT = {
    "label",
    "unit",
    "parcel_id",
    "class",
    "measure",
    "state",
    "due_on",
    "on",
    "basis",
    "verdict",
    "text",
    "kind",
}
WIDTHS = {
    "label": 4.4,
    "text": 14.0,
    "measure": 4.2,
    "unit": 3.6,
    "parcel_id": 3.4,
    "due_on": 4.9,
    "on": 4.5,
    "target": 1.6,
    "reached": 1.6,
    "rate_count": 1.7,
    "rate_area": 1.7,
    "short": 1.5,
    "rate_on_day": 1.7,
    "basis": 3.1,
    "verdict": 3.2,
    "class": 3.6,
    "state": 3.4,
}
PAGE_CM = 26.7


def font(run, size, bold=False, color=None):
    run.font.size = Pt(size)
    run.font.bold = bold
    run.font.name = "Times New Roman"
    run._element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "宋体")
    if color:
        run.font.color.rgb = RGBColor.from_string(color)


def paragraph(document, text, size=11, *, bold=False, align=None, color=None, style=None, after=4):
    found = document.add_paragraph(style=style)
    if align:
        found.alignment = align
    found.paragraph_format.space_after = Pt(after)
    font(found.add_run(text), size, bold, color)
    return found


def cell_text(cell, text, *, bold=False, right=False):
    cell.text = ""
    found = cell.paragraphs[0]
    found.paragraph_format.space_after = Pt(0)
    if right:
        found.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    font(found.add_run(text), 9, bold)


def shade(cell, fill):
    element = OxmlElement("w:shd")
    for name, value in (("val", "clear"), ("color", "auto"), ("fill", fill)):
        element.set(qn(f"w:{name}"), value)
    cell._tc.get_or_add_tcPr().append(element)


def repeat_head(row):
    properties = row._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:tblHeader"))
    properties.append(OxmlElement("w:cantSplit"))


def table(document, rows, first, columns):
    made = document.add_table(rows=4, cols=len(columns), style="Table Grid")
    made.alignment = WD_TABLE_ALIGNMENT.CENTER
    made.autofit = False
    wanted = [WIDTHS.get(name, 2.1) for name in columns]
    scale = min(1.0, PAGE_CM / sum(wanted))
    for at, name in enumerate(columns):
        key = first if name == "label" else {"class": "class"}.get(name, name)
        cell_text(made.cell(0, at), "{{ c." + key + " }}", bold=True)
        shade(made.cell(0, at), "D9E2EC")
        cell_text(made.cell(2, at), "{{ r." + name + " }}", right=name not in TEXT)
        # LibreOffice goes by the grid, Word by the cells
        made.columns[at].width = Cm(wanted[at] * scale)
        for row in range(4):
            made.cell(row, at).width = Cm(wanted[at] * scale)
    repeat_head(made.rows[0])
    made.rows[2]._tr.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    cell_text(made.cell(1, 0), "{%tr for r in " + rows + " %}")
    cell_text(made.cell(3, 0), "{%tr endfor %}")


def build():
    document = Document()
    page = document.sections[0]
    page.orientation = WD_ORIENT.LANDSCAPE
    page.page_width, page.page_height = Cm(29.7), Cm(21.0)
    for side in ("left_margin", "right_margin"):
        setattr(page, side, Cm(1.5))
    page.top_margin = page.bottom_margin = Cm(1.8)
    normal = document.styles["Normal"]
    normal.font.name = "Times New Roman"
    normal.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "宋体")
    paragraph(document, "{{ secrecy }}", 10, align=WD_ALIGN_PARAGRAPH.RIGHT, after=0)
    paragraph(document, "{{ plan }}", 13, align=WD_ALIGN_PARAGRAPH.CENTER, after=0)
    paragraph(document, "{{ title }}", 20, bold=True, align=WD_ALIGN_PARAGRAPH.CENTER, after=2)
    paragraph(document, "{{ subtitle }}", 11, align=WD_ALIGN_PARAGRAPH.CENTER)
    paragraph(document, "{%p if draft %}")
    paragraph(document, "{{ draft }}", 12, bold=True, align=WD_ALIGN_PARAGRAPH.CENTER, color="B3261E")
    paragraph(document, "{%p endif %}")
    heading(document, "overview")
    paragraph(document, "{{ overview }}")
    for name, (rows, first, columns) in TABLES.items():
        heading(document, name)
        paragraph(document, "{%p if " + rows + " %}", after=0)
        table(document, rows, first, columns)
        if name == "overdue":
            paragraph(document, "{{ overdue_more }}", 9)
        paragraph(document, "{%p else %}", after=0)
        paragraph(document, "–")
        paragraph(document, "{%p endif %}", after=0)
    heading(document, "others")
    paragraph(document, "{%p for line in others %}", after=0)
    paragraph(document, "{{ line }}")
    paragraph(document, "{%p endfor %}", after=0)
    paragraph(document, "{{ footnote }}", 9, color="5A6672")
    paragraph(document, "{{ chain }}", 8, color="5A6672")
    document.core_properties.author = ""
    document.core_properties.title = ""
    document.core_properties.comments = ""
    document.save(TARGET)


def heading(document, name):
    found = paragraph(document, "{{ t." + name + " }}", 13, bold=True, after=3)
    found.paragraph_format.space_before = Pt(10)
    found.paragraph_format.keep_with_next = True


if __name__ == "__main__":
    build()
