"""The ledger: what happens to parcels after the recommendation, event by event."""

from landremed.ledger.audit import AuditReport, audit_ledger
from landremed.ledger.changes import Change
from landremed.ledger.desk import Clerk, Recorded, reading_desk, record_changes, writing_desk
from landremed.ledger.dues import DueLine, due_lines
from landremed.ledger.evidence import evidence_of
from landremed.ledger.intake import Intake, id_list, init_ledger, update_ledger
from landremed.ledger.milestones import MilestoneLine, milestone_lines
from landremed.ledger.monthly import monthly_document
from landremed.ledger.objection import Objection, approve_batch, object_to
from landremed.ledger.sheets import write_sheets
from landremed.ledger.take import TakenSheets, take_sheets
from landremed.ledger.workdays import OfficeCalendar, read_calendar, report_day

__all__ = [
    "AuditReport",
    "Change",
    "Clerk",
    "DueLine",
    "Intake",
    "MilestoneLine",
    "Objection",
    "OfficeCalendar",
    "Recorded",
    "TakenSheets",
    "approve_batch",
    "audit_ledger",
    "due_lines",
    "evidence_of",
    "id_list",
    "init_ledger",
    "milestone_lines",
    "monthly_document",
    "object_to",
    "read_calendar",
    "reading_desk",
    "record_changes",
    "report_day",
    "take_sheets",
    "update_ledger",
    "write_sheets",
    "writing_desk",
]
