"""A whole job for ``landremed run``: the parcels with made-up facts, and the project file that names the layers.

``suspects_<size>.gpkg`` holds the parcels of ``parcels_<size>.gpkg`` with 17 columns of facts, seeded;
``project_<size>.toml`` overlays them with all five layers. As GeoParquet: ``suspects_<size>.parquet`` and
``project_<size>_parquet.toml``.
"""

import os

import geopandas as gpd
import numpy as np
import pandas as pd

from benchmarks.generate import CHUNK, ChunkWriter, hot_spots, parcel_chunks, parcels_of

SUBTYPES = {
    "lake": ["park_green", "lake_digging"],
    "illegal_occupation": ["industrial", "public_service", "infrastructure", "residential"],
    "idle_land": ["idle", "default_completion"],
}
CLASSES = {
    "lake": 0.10, "illegal_occupation": 0.40, "pre_expropriation": 0.08, "irregular_reserve": 0.12,
    "idle_land": 0.10, "abandoned_farmland": 0.12, "approved_unsupplied": 0.08,
}  # fmt: skip
EXEMPTIONS = ["road_river_greenbelt", "survey_error", "survey_precision", "pond_restructuring", "other"]
CODES = {
    "feedback_source": (["inspection", "audit", "national_inspector", "other"], 0.5),
    "idle_cause": (["government", "own", "judicial"], 0.1),
    "abandonment_cause": (["waste_dump", "poor_natural_conditions", "legal_dispute", "other"], 0.1),
    "supply_status": (["project_not_landed", "used_not_supplied", "corner_land"], 0.1),
}
BOOLS = (
    "plan_conforms", "plan_includable", "approval_obtained", "conversion_possible", "quota_available",
    "swap_possible", "owners_willing_to_return", "cultivable",
)  # fmt: skip
PROJECT = """\
[project]
name = "bench-{size}"
crs = "EPSG:4548"
rules = "binhai-2022"
as_of = 2022-06-30
language = "zh"
[parcels]
path = "suspects_{size}.{form}"
id = "tbbh"
[layers.permanent_basic_farmland]
path = "farmland.gpkg"
id = "fid_"
by = ["dlbm"]
[layers.ecological_red_line]
path = "redline.gpkg"
[layers.urban_development_boundary]
path = "urban.gpkg"
[layers.green_ecological_barrier]
path = "green.gpkg"
[layers.admin_units]
path = "towns.gpkg"
name = "name"
"""


def make_facts(seed: int, n: int, *chunk: int) -> pd.DataFrame:
    """Return n rows of facts, 10 % of the truth values and dates blank; a chunk's own by its number."""
    rng = np.random.default_rng([seed, n, 7, *chunk])
    category = rng.choice(list(CLASSES), n, p=list(CLASSES.values()))
    facts = {"category": category, "subtype": np.full(n, None, dtype=object)}
    for name, subtypes in SUBTYPES.items():
        mine = np.flatnonzero(category == name)
        facts["subtype"][mine] = rng.choice(subtypes, len(mine))
    days = np.datetime64("2003-01-01") + rng.integers(0, 7000, n)
    facts["occurred_on"] = np.where(rng.random(n) < 0.1, None, days.astype(str))
    for name, (codes, blank) in CODES.items():
        facts[name] = np.where(rng.random(n) < blank, None, rng.choice(codes, n))
    due = np.datetime64("2021-06-30") + 30 * rng.integers(0, 24, n)
    facts["feedback_deadline"] = np.where(rng.random(n) < 0.7, None, due.astype(str))
    lake = (category == "lake") & (rng.random(n) < 0.3)
    facts["exemption"] = np.where(lake, rng.choice(EXEMPTIONS, n), None)
    for name in BOOLS:
        facts[name] = np.where(rng.random(n) < 0.1, None, np.where(rng.random(n) < 0.5, "是", "否"))
    return pd.DataFrame(facts)


def write_project(folder: str, size: str, seed: int = 20240601, form: str = "gpkg") -> str:
    """Write what is missing of the job and return the path of its project file."""
    path = os.path.join(folder, f"suspects_{size}.{form}")
    if not os.path.exists(path):
        with ChunkWriter(path, "suspects") as out:
            for parcels in parcel_chunks(seed, size, hot_spots(folder)):
                chunk = (out.rows,) if parcels_of(size) > CHUNK else ()
                facts = make_facts(seed, len(parcels), *chunk)
                columns = pd.concat([parcels[["tbbh"]], facts], axis=1)
                out.add(gpd.GeoDataFrame(columns, geometry=parcels.geometry))
    project = os.path.join(folder, f"project_{size}{'' if form == 'gpkg' else '_' + form}.toml")
    with open(project, "w", encoding="utf-8") as file:
        file.write(PROJECT.format(size=size, form=form))
    return project
