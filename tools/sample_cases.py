"""The named parcels of the samples: where each lies, what is known of it, and what must come out.

The expected results are derived by hand from the plan's rule tables and from the place and the facts given
here. They are never taken from the program's output: they are what it is tested against.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sample_places import Place

__all__ = ["CASES", "Case", "Expected"]

PARK = ("挖田造湖", "公园绿地")
DIG = ("挖田造湖", "挖田造湖")
INDUSTRY = ("违法违规占地", "产业类")
PUBLIC = ("违法违规占地", "公共管理服务类")
INFRA = ("违法违规占地", "基础设施类")
HOUSE = ("违法违规占地", "住宅类")
PRE = ("预征土地", "")
RES = ("违规收储", "")
IDLE = ("闲置土地及违约竣工", "闲置土地")
DEFAULT = ("闲置土地及违约竣工", "违约竣工")
ABANDONED = ("耕地撂荒", "")
UNSUPPLIED = ("批而未供", "")

HITECH = ("滨海高新区",)
TEDA = ("天津经济技术开发区",)
BONDED = ("天津港保税区",)


@dataclass(frozen=True)
class Expected:
    """What must come out; ``None`` is not stated, "" is empty. ``flags`` must be there, ``no_flags`` must not."""

    outcome: str
    measure: str = ""
    rule: str = ""
    clause: str = ""
    schedule: str = ""
    due_on: str = ""
    overdue: str | None = ""
    reason: str = ""
    missing: str | None = ""
    possible: str | None = ""
    priority: str | None = "4"
    zero_tolerance: str | None = "0"
    flags: str = ""
    no_flags: str = ""
    unit: str | None = None
    other_units: str | None = None


@dataclass(frozen=True)
class Case:
    """One named parcel. ``facts`` are written as the office would write them; ``odd`` asks for a damaged geometry."""

    parcel_id: str
    kind: tuple[str, str]
    place: Place
    expected: Expected
    note: str
    occurred_on: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    odd: str = ""


CASES: list[Case] = []


def case(parcel_id: str, kind: tuple[str, str], place: Place, expected: Expected, note: str, **rest: object) -> None:
    """Add one named parcel; what is neither ``on`` nor ``odd`` is a fact.

    Only zones implement 3.4, 3.5 and 3.7, and only 高新区 3.3: there the one zone it lies in is its unit.
    """
    if kind in (RES, IDLE, DEFAULT, UNSUPPLIED) and len(place.units) == 1:
        expected = replace(expected, unit="" if place.units == ("ZONELESS",) else place.units[0], other_units="")
    if kind == PRE:
        expected = replace(expected, unit=HITECH[0] if place.units == HITECH else "", other_units="")
    on, odd = str(rest.pop("on", "2016-05-20")), str(rest.pop("odd", ""))
    CASES.append(Case(parcel_id, kind, place, expected, note, on, dict(rest), odd))


def retain(measure: str, rule: str, clause: str, **rest: str) -> Expected:
    return Expected("retain", measure, rule, clause, **rest)


def paper(measure: str, rule: str, clause: str, schedule: str, due_on: str, overdue: str = "0", **rest: str) -> Expected:
    return Expected("complete_paperwork", measure, rule, clause, schedule, due_on, overdue, **rest)


def demolish(measure: str, rule: str, clause: str, schedule: str, due_on: str, overdue: str = "0", **rest: str) -> Expected:
    return Expected("demolish_restore", measure, rule, clause, schedule, due_on, overdue, **rest)


def review(missing: str, possible: str | None, reason: str = "missing_facts", **rest: str | None) -> Expected:
    return Expected("needs_review", reason=reason, missing=missing, possible=possible, **rest)  # type: ignore[arg-type]


def _parks() -> None:
    c = "3.1.1(1)"
    fill = demolish("fill_and_recultivate", "lake.park.outside_boundary", c, "lake.park_fill", "2022-12-31")
    obtain = ("obtain_approval", "lake.park.conforms", c, "lake.obtainable", "2022-02-28", "1")
    out, inn = Place(udb="off"), Place(udb="in")
    case("BH-PARK-001", PARK, out, retain("approval_in_place", "lake.park.approved", c), "手续齐全", approval_obtained="是")
    case("BH-PARK-002", PARK, out, retain("exempt", "lake.park.exempt_outside", c), "边界外临时绿化",
         approval_obtained="否", exemption="temporary_greening")
    case("BH-PARK-003", PARK, out, replace(fill, flags="layer_postdates_case:urban_development_boundary"), "边界外，无手续，填湖复耕", approval_obtained="否", on="2015/4/9")
    case("BH-PARK-004", PARK, inn, paper(*obtain), "边界内符合规划", approval_obtained="否", plan_conforms="是")
    case("BH-PARK-005", PARK, inn, paper("obtain_approval", "lake.park.convertible", *obtain[2:]), "不符合规划但可转用",
         approval_obtained="否", plan_conforms="否", conversion_possible="是")
    case("BH-PARK-006", PARK, inn, retain("exempt", "lake.park.exempt", c), "道路两侧绿化带",
         approval_obtained="否", plan_conforms="否", conversion_possible="否", exemption="road_river_greenbelt")
    case("BH-PARK-007", PARK, inn, demolish("fill_and_recultivate", "lake.park.not_convertible", c, "lake.park_fill", "2022-12-31"),
         "边界内无法转用", approval_obtained="否", plan_conforms="否", conversion_possible="否")
    case("BH-PARK-008", PARK, out, review("approval_obtained", "retain,demolish_restore"), "审批手续未查明")
    case("BH-PARK-009", PARK, Place(udb="straddle"), review("within_urban_development_boundary", "complete_paperwork,demolish_restore"),
         "跨城镇开发边界，两侧结论不同", approval_obtained="否", plan_conforms="是")
    case("BH-PARK-010", PARK, Place(udb="straddle"), retain("approval_in_place", "lake.park.approved", c),
         "跨边界但手续齐全，不需研判", approval_obtained="是")
    case("BH-PARK-011", PARK, Place(udb="straddle"),
         demolish("fill_and_recultivate", "lake.park.outside_boundary,lake.park.not_convertible", c, "lake.park_fill", "2022-12-31"),
         "跨边界，两侧都应填湖", approval_obtained="否", plan_conforms="否", conversion_possible="否")
    case("BH-PARK-012", PARK, out, review("exemption", "retain,demolish_restore"), "无需整治原因不在本条所列",
         approval_obtained="否", exemption="pond_restructuring")
    case("BH-PARK-013", PARK, inn, paper("obtain_approval", "lake.park.conforms,lake.park.convertible", *obtain[2:]),
         "是否符合规划未知，但结论相同", approval_obtained="否", conversion_possible="是")
    case("BH-PARK-014", PARK, Place(udb="sliver"),
         demolish("fill_and_recultivate", "lake.park.outside_boundary", c, "lake.park_fill", "2022-12-31",
                  flags="sliver_overlap:urban_development_boundary"), "仅0.4㎡伸入开发边界，按边界外", approval_obtained="否")
    case("BH-PARK-015", PARK, Place(udb="in", farm="sliver"),
         paper(*obtain, flags="sliver_overlap:permanent_basic_farmland", no_flags="farmland_conflict"), "占永农0.4㎡，低于容差",
         approval_obtained="否", plan_conforms="是")
    case("BH-PARK-016", PARK, Place(udb="in", farm="on"), paper(*obtain, flags="farmland_conflict"), "边界内占永农，补办与永农冲突",
         approval_obtained="否", plan_conforms="是")
    case("BH-PARK-017", PARK, out, paper(*obtain), "以人工认定(override)改为边界内", approval_obtained="否", plan_conforms="是",
         override_within_urban_development_boundary="是")
    case("BH-PARK-018", PARK, Place(udb="off", inside="village", barrier="", size=(130, 90)), fill, "在村庄建设边界内，不算城镇开发边界(where)",
         approval_obtained="否", plan_conforms="是")
    case("BH-PARK-019", PARK, inn, review("plan_conforms", "complete_paperwork,demolish_restore"), "同一证据表前后矛盾",
         approval_obtained="否", plan_conforms=("是", "否"), conversion_possible="否")
    case("BH-PARK-020", PARK, inn, paper(*obtain), "后一张证据表更正前一张", approval_obtained="否",
         plan_conforms="否", corrected_plan_conforms="是", conversion_possible="否")


def _lakes() -> None:
    c = "3.1.1(2)"
    fill = demolish("fill_and_recultivate", "lake.dig.fill", c, "lake.dig_fill", "2022-12-31")
    out = Place(size=(230, 160))
    case("BH-LAKE-001", DIG, Place(barrier="in", size=(230, 160)),
         paper("supplement_barrier_procedures", "lake.dig.in_barrier", c, "lake.barrier", "2022-02-28", "1"), "绿色生态屏障内")
    case("BH-LAKE-002", DIG, out, retain("ecological_use", "lake.dig.ecological", c), "屏障外，与生态建设相关", ecological_construction="是")
    case("BH-LAKE-003", DIG, out, retain("exempt", "lake.dig.exempt", c), "坑塘农业结构调整", ecological_construction="否",
         exemption="pond_restructuring")
    case("BH-LAKE-004", DIG, Place(farm="on", size=(230, 160)), fill, "占永农挖湖，填湖复耕", ecological_construction="否", on="2014年6月1日")
    case("BH-LAKE-005", DIG, out, review("ecological_construction", "retain,demolish_restore"), "是否与生态相关未知")
    case("BH-LAKE-006", DIG, Place(barrier="straddle", size=(230, 160)), review("within_green_barrier", "complete_paperwork,demolish_restore"),
         "跨屏障边线", ecological_construction="否")
    case("BH-LAKE-007", DIG, Place(barrier="straddle", size=(230, 160)), review("within_green_barrier", "retain,complete_paperwork"),
         "跨屏障边线，与生态建设相关", ecological_construction="是")
    case("BH-LAKE-008", DIG, out, Expected("retain", "", "lake.dig.ecological,lake.dig.exempt", c, missing="ecological_construction"),
         "保留已定，依据待定", exemption="survey_error")
    case("BH-LAKE-009", DIG, Place(barrier="sliver"),
         demolish("fill_and_recultivate", "lake.dig.fill", c, "lake.dig_fill", "2022-12-31",
                  flags="sliver_overlap:green_ecological_barrier"), "仅0.4㎡伸入屏障", ecological_construction="否")
    case("BH-LAKE-010", DIG, out, review("ecological_construction", "retain,demolish_restore"), "证据值无法识别", ecological_construction="待核")
    case("BH-LAKE-011", ("挖田造湖", ""), Place(udb="off"),
         Expected("retain", "", "lake.park.approved,lake.dig.ecological", "3.1.1(1),3.1.1(2)", missing="subtype"),
         "细类缺失，两种细类都保留", approval_obtained="是", ecological_construction="是")


def _occupations() -> None:
    ind, pub = "3.2.1(1)", "3.2.1(2)"
    clean = {"plan_conforms": "是", "safety_compliant": True, "abandoned": False, "demolition_required_by_law": False}
    works = {**clean, "above_scale_industry": "是"}
    other, late = ("occ.other", "2023-06-30"), ("occ.certain", "2021-12-31", "1")

    def down(rule: str, clause: str = ind, **rest: str) -> Expected:
        return demolish("demolish", rule, clause, *other, **rest)

    def paperwork(clause: str = ind, **rest: str) -> Expected:
        return paper("complete_land_procedures", "occ.paperwork", clause, *other, **rest)

    off, on_red = Place(), Place(red="on", udb="off")
    case("BH-OCC-001", HOUSE, off, Expected("out_of_scope", "rural_housing_programme", "occ.residential", "3.2"), "住宅类另行处置", on="2010-06-01")
    case("BH-OCC-002", INDUSTRY, off, Expected("out_of_scope", "before_2004_decision", "occ.before_scope", "3.2"), "2004年10月以前", on="1999-05-01")
    case("BH-OCC-003", INDUSTRY, off, down("occ.plan"), "不符合且不能纳入规划", on="2013.3.18", plan_conforms="否", plan_includable="否")
    case("BH-OCC-004", INDUSTRY, on_red, down("occ.red_line"), "占红线；安全材料未知也不必再查", on="2012-08-15", plan_conforms="是")
    case("BH-OCC-005", INDUSTRY, on_red, down("occ.plan,occ.red_line"), "占红线，其余一概未知", on="2012-08-15")
    case("BH-OCC-006", INDUSTRY, off, down("occ.safety"), "安全不达标且不能整治",
         **{**works, "safety_compliant": False, "safety_rectifiable": False})
    case("BH-OCC-007", INDUSTRY, off, down("occ.abandoned"), "废弃不用", **{**works, "abandoned": True})
    case("BH-OCC-008", INDUSTRY, off, down("occ.industry_scale"), "非规上且不在保留园区", **{**clean, "above_scale_industry": "否", "retained_park": "否"})
    case("BH-OCC-009", PUBLIC, off, down("occ.by_law", pub), "依法应当拆除", **{**clean, "demolition_required_by_law": True})
    case("BH-OCC-010", INDUSTRY, off, retain("followup_finished", "occ.finished", "3.2.1(3)"), "后续手续已办结",
         **works, conversion_done="是", followup_done="是")
    case("BH-OCC-011", PUBLIC, off, paper("complete_followup_procedures", "occ.followup", "3.2.1(3)", *other), "已转用征收，后续未办",
         **clean, conversion_done="是")
    case("BH-OCC-012", INDUSTRY, off, paperwork(), "产业类补办", on="2013年3月18日", **works)
    case("BH-OCC-013", PUBLIC, off, paperwork(pub), "公共服务类补办", **clean)
    case("BH-OCC-014", INFRA, Place(red="straddle", udb="off"), down("occ.red_line", pub), "部分占红线，整体拆除", **clean)
    case("BH-OCC-015", INDUSTRY, off, paper("complete_land_procedures", "occ.paperwork", ind, "occ.new", "", "1", priority="1", zero_tolerance="1"),
         "2020-07-03以后新增，零容忍", on="2021-04-02", **works)
    case("BH-OCC-016", INDUSTRY, Place(farm="on"),
         paper("complete_land_procedures", "occ.paperwork", ind, *late, priority="3", flags="farmland_conflict"), "占永农却补办：冲突", **works)
    case("BH-OCC-017", INDUSTRY, Place(hole="in", farm=""), paperwork(flags="assumed:occupies_permanent_basic_farmland"),
         "永农图层未覆盖处，按未占计期限", **works)
    case("BH-OCC-018", INDUSTRY, off, paperwork(), "只知年份2011，已足够", on="2011", **works)
    case("BH-OCC-019", INDUSTRY, off, review("occurred_on", "complete_paperwork,out_of_scope"), "只知年份2004，不够", on="2004年", **works)
    case("BH-OCC-020", INDUSTRY, off,
         paper("complete_land_procedures", "occ.paperwork", ind, "occ.new,occ.other", "2023-06-30", zero_tolerance="", priority=None),
         "只知2020年：结论已定，期限未定", on="2020", **works)
    case("BH-OCC-021", INDUSTRY, off, paperwork(), "只知2004年11月，已足够", on="2004年11月", **works)
    case("BH-OCC-022", INDUSTRY, off, review("occurred_on", "complete_paperwork,out_of_scope", zero_tolerance="", priority=None), "日期写错",
         on="2019-13-45", **works)
    case("BH-OCC-023", INDUSTRY, on_red, review("occurred_on", "demolish_restore,out_of_scope", zero_tolerance="", priority=None), "占红线但发生日期不明",
         on="", **works)
    case("BH-OCC-024", INDUSTRY, off, paper("complete_land_procedures", "occ.paperwork", ind, "occ.feedback", "2022-06-30", priority="2"),
         "巡视反馈，自有限期", **works, feedback_source="巡视", feedback_on="2021-09-10", feedback_deadline="2022-06-30")
    case("BH-OCC-025", PUBLIC, off, paper("complete_land_procedures", "occ.paperwork", pub, *late, priority="2"),
         "国家督察2018年反馈：以较早期限为准", **clean, feedback_source="国家自然资源督察", feedback_on="2018-05-01", feedback_deadline="2022-09-30")
    case("BH-OCC-026", INDUSTRY, off, demolish("demolish", "occ.by_law", ind, *late, priority="3"), "法院准予强制执行",
         **{**works, "demolition_required_by_law": True}, court_enforcement_approved=True)
    case("BH-OCC-027", INDUSTRY, off, review("above_scale_industry", "complete_paperwork,demolish_restore"), "是否规上未知", **clean, retained_park="否")
    case("BH-OCC-028", INDUSTRY, off, review("safety_compliant,safety_rectifiable", "complete_paperwork,demolish_restore"), "安全两项未知",
         **{k: v for k, v in works.items() if k != "safety_compliant"})
    case("BH-OCC-029", INDUSTRY, Place(red="sliver"), paperwork(flags="sliver_overlap:ecological_red_line"), "占红线0.4㎡，低于容差", **works)
    case("BH-OCC-030", INDUSTRY, Place(red="on", udb=""), paperwork(), "红线套合经人工认定改为不占(override)", **works,
         override_occupies_ecological_red_line="否")
    case("BH-OCC-031", PUBLIC, Place(inside="red hole", size=(120, 90)), paperwork(pub), "在红线的空洞里", **clean)
    case("BH-OCC-032", PUBLIC, off, paperwork(pub), "与BH-OCC-033同一地点重复上报", **clean)
    case("BH-OCC-033", PUBLIC, off, paperwork(pub), "与BH-OCC-032同一地点重复上报", odd="same:BH-OCC-032", **clean)
    case("BH-OCC-034", ("违法违规占地", ""), off, review("subtype", "demolish_restore,out_of_scope"), "细类未知：住宅类另行处置",
         on="2012", plan_conforms="否", plan_includable="否")
    case("BH-OCC-035", INDUSTRY, Place(farm="on", hole="straddle"),
         paper("complete_land_procedures", "occ.paperwork", ind, *late, priority="3", flags="farmland_conflict",
               no_flags="assumed:occupies_permanent_basic_farmland"), "伸出覆盖范围，但已查明占永农", **works)
    case("BH-OCC-036", INDUSTRY, Place(red="tiny", size=(1.5, 1.0), udb="off"), down("occ.red_line"), "1.5㎡的小图斑，约一半在红线上",
         **works)
    case("BH-OCC-037", INDUSTRY, off, paperwork(), "非规上但在保留园区", **{**clean, "above_scale_industry": "否", "retained_park": "是"})
    case("BH-OCC-038", INFRA, Place(units=("中塘镇", "小王庄镇")), paperwork(pub, unit="中塘镇", other_units="小王庄镇"), "跨两个镇", **clean)
    case("BH-OCC-039", INDUSTRY, Place(units=("滨海高新区", "大港街道")), paperwork(unit="滨海高新区", other_units="大港街道"),
         "大半在开发区：由管委会实施", **works)
    case("BH-OCC-040", INDUSTRY, Place(units=("大港街道", "滨海高新区")), paperwork(unit="大港街道", other_units="滨海高新区"),
         "小半在开发区：由街道实施", **works)


def _geometry() -> None:
    clean = {"plan_conforms": "是", "safety_compliant": True, "abandoned": False, "demolition_required_by_law": False}
    nothing = Expected("needs_review", reason="no_geometry", missing=None, possible=None, priority=None, zero_tolerance=None)
    fixed = paper("complete_land_procedures", "occ.paperwork", "3.2.1(2)", "occ.other", "2023-06-30")
    case("BH-GEOM-001", PUBLIC, Place(), nothing, "没有图形(NULL)", odd="null", **clean)
    case("BH-GEOM-002", PUBLIC, Place(), nothing, "空图形", odd="empty", **clean)
    case("BH-GEOM-003", PUBLIC, Place(), fixed, "领结形，修复后参与分析", odd="bowtie", **clean)
    case("BH-GEOM-004", PUBLIC, Place(), fixed, "重复节点", odd="duplicate", **clean)
    case("BH-GEOM-005", PUBLIC, Place(), fixed, "带尖刺(往返线)", odd="spike", **clean)
    case("BH-GEOM-006", PUBLIC, Place(), fixed, "带空洞", odd="hole", **clean)
    case("BH-CODE-001", ("其他情形", ""), Place(), review("category", None, priority=None, zero_tolerance=None), "问题类型不在七类之内")
    case("BH-CODE-002", ("", ""), Place(), review("category", None, priority=None, zero_tolerance=None), "问题类型缺失")


def _pre_expropriation() -> None:
    here = Place(units=HITECH)
    case("BH-PRE-001", PRE, here, retain("hold_on_account", "pre.hold", "3.3.1(3)", schedule="pre.hold", due_on="2022-06-30", overdue="0"),
         "符合规划，挂账", plan_conforms="是")
    case("BH-PRE-002", PRE, here, demolish("terminate_and_return", "pre.terminate", "3.3.1(1)", "pre.terminate", "", ""),
         "解除协议；计划未定期限", plan_conforms="否", conversion_possible="否", owners_willing_to_return="是")
    case("BH-PRE-003", PRE, here, paper("convert_to_lease", "pre.lease", "3.3.1(2)", "pre.lease", "2022-02-28", "1"), "变更为流转",
         plan_conforms="否", conversion_possible="否", owners_willing_to_return="否")
    case("BH-PRE-004", PRE, here, review("", "", "no_clause"), "不符合规划但可转用：计划未规定", plan_conforms="否", conversion_possible="是")
    case("BH-PRE-005", PRE, here, review("owners_willing_to_return", "complete_paperwork,demolish_restore"), "返还意愿未知",
         plan_conforms="否", conversion_possible="否")
    case("BH-PRE-006", PRE, Place(units=TEDA), retain("hold_on_account", "pre.hold", "3.3.1(3)", schedule="pre.hold", due_on="2022-06-30",
         overdue="0", flags="no_implementing_unit"), "不在高新区：没有实施单位", plan_conforms="是")
    case("BH-PRE-007", PRE, here, review("plan_conforms", "retain"), "符合则保留，否则计划未规定", conversion_possible="是")


def _reserves() -> None:
    zone = Place(units=TEDA, udb="off")
    field_outside = Place(units=TEDA, udb="off", farm="on")
    no_quota, farmland = ("res.no_quota", "2022-12-31"), ("res.farmland", "2023-03-31")
    conflict = {"flags": "farmland_conflict"}
    promise = ("written_commitment", "res.quota", "3.4.1(1)", "res.commitment", "2021-10-31", "1")
    case("BH-RES-001", RES, Place(units=TEDA, udb="off", red="on"),
         demolish("terminate_and_return", "res.red_line", "3.4.1(3)", "res.red_line", "2023-03-31"), "边界外占红线；其余不必查")
    case("BH-RES-002", RES, field_outside,
         paper("implement_after_approval", "res.farmland_major", "3.4.1(4)", "res.commitment", "2021-10-31", "1", **conflict),
         "边界外占永农的重大基础设施", quota_available="是", major_infrastructure="是")
    case("BH-RES-003", RES, field_outside, paper("offsite_swap", "res.farmland_swap", "3.4.1(4)", *farmland, **conflict), "边界外占永农，异地置换",
         quota_available="否", swap_possible="是")
    case("BH-RES-004", RES, field_outside, demolish("terminate_and_return", "res.farmland_terminate", "3.4.1(4)", *farmland), "边界外占永农，解除协议",
         quota_available="否", swap_possible="否")
    case("BH-RES-005", RES, zone, paper(*promise), "能落实规模", quota_available="是")
    case("BH-RES-006", RES, zone, paper("offsite_swap", "res.swap", "3.4.2(1)", *no_quota), "异地置换", quota_available="否", swap_possible="是")
    case("BH-RES-007", RES, zone, demolish("terminate_and_return", "res.return", "3.4.1(2)", *no_quota), "愿意返还，解除协议",
         quota_available="否", swap_possible="否", owners_willing_to_return="是")
    case("BH-RES-008", RES, zone, paper("convert_to_lease", "res.lease", "3.4.1(2)", *no_quota), "变更为流转",
         quota_available="否", swap_possible="否", owners_willing_to_return="否")
    case("BH-RES-009", RES, field_outside, review("", "", "no_clause"), "边界外占永农、有规模、非重大项目：计划未规定",
         quota_available="是", major_infrastructure="否")
    case("BH-RES-010", RES, Place(units=BONDED, udb="in", red="on"), paper(*promise), "红线在边界内，不按边界外处理", quota_available="是")
    case("BH-RES-011", RES, Place(units=HITECH, udb="straddle", farm="on", farm_outside=True), paper("offsite_swap", "res.farmland_swap", "3.4.1(4)", *farmland, **conflict),
         "跨边界，边界外部分占永农", quota_available="否", swap_possible="是")
    case("BH-RES-012", RES, zone,
         Expected("complete_paperwork", "", "res.quota,res.lease", "3.4.1(1),3.4.1(2)", "res.commitment,res.no_quota", "2021-10-31", "1",
                  missing="quota_available"), "补办已定，方式待规模落实情况", swap_possible="否", owners_willing_to_return="否")
    case("BH-RES-013", RES, Place(units=("天津港保税区", "滨海高新区"), size=(260, 180)), paper(*promise, unit="天津港保税区", other_units="滨海高新区"), "跨两个开发区", quota_available="是")
    case("BH-RES-014", RES, Place(units=("ZONELESS",), udb="off"),
         paper(*promise, flags="no_implementing_unit"), "不在任何开发区：没有实施单位", quota_available="是")
    case("BH-RES-015", RES, Place(units=TEDA, udb="off", hole="in", farm=""), review("farmland_outside_boundary", "complete_paperwork"),
         "永农未覆盖：占不占永农决定有无条款", quota_available="是", major_infrastructure="否")
    case("BH-RES-016", RES, Place(units=TEDA, udb="in", hole="in", farm=""), paper(*promise), "永农未覆盖，但在边界内，不影响", quota_available="是")


def _idle() -> None:
    zone, c, idle = Place(units=BONDED), "3.5.1", ("idle", "2022-12-31")
    case("BH-IDLE-001", DEFAULT, zone, paper("disposal_opinion", "idle.default", c, "default", "2023-06-30"), "违约竣工")
    case("BH-IDLE-002", IDLE, zone, paper("notify_judiciary", "idle.judicial", c, *idle), "司法查封", idle_cause="司法查封、涉法涉诉")
    case("BH-IDLE-003", IDLE, zone, paper("fee_or_reclaim", "idle.own", c, *idle), "自身原因", idle_cause="自身原因")
    for n, mode, word in ((4, "urge_construction", "促开工"), (5, "reclaim", "收回"), (6, "swap", "置换")):
        rule = "idle.urge" if n == 4 else f"idle.{mode}"
        case(f"BH-IDLE-{n:03d}", IDLE, zone, paper(mode, rule, c, *idle), f"政府原因，{word}", idle_cause="政府原因", disposal_mode=word)
    every = "idle.judicial,idle.own,idle.urge,idle.reclaim,idle.swap"
    open_measure = Expected("complete_paperwork", "", every, c, *idle, "0", missing="idle_cause,disposal_mode")
    case("BH-IDLE-007", IDLE, zone, open_measure, "原因和方式未知：结论已定，措施待定")
    case("BH-IDLE-008", ("闲置土地及违约竣工", ""), zone,
         Expected("complete_paperwork", "", "idle.default,idle.own", c, "idle,default", "2022-12-31", "0", missing="subtype"),
         "细类未知", idle_cause="自身原因")
    case("BH-IDLE-009", IDLE, zone, open_measure, "闲置原因写了未列的词", idle_cause="天气原因")


def _abandoned() -> None:
    field_here, soon = Place(farm="on", udb="off"), ("aband", "2022-06-30")
    no = {"cultivable": False}
    case("BH-FALLOW-001", ABANDONED, field_here, demolish("land_consolidation", "aband.consolidate", "3.6.1(4)", "aband.consolidation", "2023-06-30"),
         "客观无法复耕，全域整治", **no, abandonment_cause="客观无法复耕")
    case("BH-FALLOW-002", ABANDONED, field_here, demolish("replant", "aband.replant", "3.6.1(1)", *soon), "具备条件，复耕", cultivable=True,
         abandonment_cause="其他", related_category="none")
    case("BH-FALLOW-003", ABANDONED, field_here, demolish("clear_and_replant", "aband.clear", "3.6.1(2)", *soon), "垃圾渣土", **no,
         abandonment_cause="垃圾渣土堆积")
    case("BH-FALLOW-004", ABANDONED, field_here, demolish("improve_and_replant", "aband.improve", "3.6.1(2)", *soon), "自然条件差", **no,
         abandonment_cause="自然条件差")
    case("BH-FALLOW-005", ABANDONED, Place(udb="off"), paper("set_measures_and_deadline", "aband.dispute", "3.6.1(3)", *soon), "法律纠纷", **no,
         abandonment_cause="法律纠纷")
    case("BH-FALLOW-006", ABANDONED, field_here, paper("set_measures_and_deadline", "aband.dispute", "3.6.1(3)", *soon, flags="farmland_conflict"),
         "承包人弃种（在永农上）", **no, abandonment_cause="承包人弃种")
    case("BH-FALLOW-007", ABANDONED, Place(), demolish("demolish", "occ.plan", "3.2.1(1)", "occ.other", "2023-06-30"), "移交违法占地",
         on="2014-03-02", related_category="illegal_occupation", subtype="industrial", plan_conforms="否", plan_includable="否")
    case("BH-FALLOW-008", ABANDONED, Place(udb="off"),
         demolish("fill_and_recultivate", "lake.park.outside_boundary", "3.1.1(1)", "lake.park_fill", "2022-12-31"), "移交公园绿地",
         related_category="lake", subtype="park_green", approval_obtained="否")
    case("BH-FALLOW-009", ABANDONED, field_here, review("abandonment_cause", "complete_paperwork,demolish_restore"), "撂荒原因未知", **no)
    case("BH-FALLOW-010", ABANDONED, field_here,
         Expected("demolish_restore", "", "aband.replant,aband.clear", "3.6.1(1),3.6.1(2)", *soon, "0", missing="cultivable"),
         "是否具备耕种条件未知：都要复耕", abandonment_cause="垃圾渣土堆积")
    case("BH-FALLOW-011", ABANDONED, Place(),
         retain("hold_on_account", "pre.hold", "3.3.1(3)", schedule="pre.hold", due_on="2022-06-30", overdue="0"), "移交预征土地",
         related_category="pre_expropriation", plan_conforms="是")
    case("BH-FALLOW-012", ABANDONED, Place(udb="off"), paper("written_commitment", "res.quota", "3.4.1(1)", "res.commitment", "2021-10-31", "1"),
         "移交违规收储", related_category="irregular_reserve", quota_available="是")
    case("BH-FALLOW-013", ABANDONED, Place(),
         demolish("demolish", "occ.plan", "3.2.1(2)", "occ.new", "", "1", priority="1", zero_tolerance="1"), "移交新增违法占地，零容忍",
         on="2021年5月6日", related_category="illegal_occupation", subtype="infrastructure", plan_conforms="否", plan_includable="否")


def _unsupplied() -> None:
    zone, due = Place(units=TEDA, udb="in"), ("unsup", "2023-06-30")
    case("BH-SUPPLY-001", UNSUPPLIED, zone, paper("digest_stock", "unsup.digest", "3.7.1(1)", *due), "项目未落实", supply_status="project_not_landed")
    case("BH-SUPPLY-002", UNSUPPLIED, zone, paper("complete_supply_procedures", "unsup.complete", "3.7.1(2)", *due), "已用未供", supply_status="已用未供")
    case("BH-SUPPLY-003", UNSUPPLIED, zone, paper("allocate_to_department", "unsup.corner", "3.7.1(3)", *due), "边角地", supply_status="不能利用的边角地")
    case("BH-SUPPLY-004", UNSUPPLIED, zone,
         Expected("complete_paperwork", "", "unsup.digest,unsup.complete,unsup.corner", "3.7.1(1),3.7.1(2),3.7.1(3)", *due, "0",
                  missing="supply_status"), "供应状态未知")
    case("BH-SUPPLY-005", UNSUPPLIED, Place(units=("ZONELESS",)),
         paper("complete_supply_procedures", "unsup.complete", "3.7.1(2)", *due, flags="no_implementing_unit"), "不在开发区", supply_status="已用未供")


for add in (_parks, _lakes, _occupations, _geometry, _pre_expropriation, _reserves, _idle, _abandoned, _unsupplied):
    add()
