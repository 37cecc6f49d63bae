"""A made-up district of any size: parcels and five constraint layers, seeded, in EPSG:4548.

    python -m benchmarks.generate FOLDER --sizes S,M,L,snapped

Sizes: XS 2 000, S 10 000, M 100 000, L 1 000 000, XL 10 000 000 parcels of 5 to 60 vertices, or any number;
``snapped`` takes 50 000 of the farmland polygons themselves as parcels, so that every edge is shared with the layer.
Layers: farmland (150 000 polygons, most sharing edges, some overlapping a little), redline (40 polygons of up to
200 000 vertices with holes), urban, green, towns. Every table is written as ``<name>.gpkg`` and ``<name>.parquet``.

More parcels than CHUNK are made and written that many at a time, so that memory does not grow with them. Parcels
are 3000 m2 on average as long as they fit in the district, and smaller in proportion above ROOM of them: no real
district holds its ground several times over.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyarrow import parquet

X0, Y0, W, H = 530_000.0, 4_280_000.0, 80_000.0, 60_000.0
CRS = "EPSG:4548"
SIZES = {"XS": 2_000, "S": 10_000, "M": 100_000, "L": 1_000_000, "XL": 10_000_000}
CHUNK = 100_000
"""Parcels that are made at a time."""
ROOM = 1_000_000
"""Parcels of 3000 m2 that fit in the district with room between them."""
FORMS = ("gpkg", "parquet")


def parcels_of(size):
    """Return the number of parcels of a size: one by name, or a number."""
    return SIZES[size] if size in SIZES else int(size)


def ragged(counts):
    """counts -> (row id, position within row) for every element."""
    off = np.concatenate([[0], np.cumsum(counts)])
    row = np.repeat(np.arange(len(counts)), counts)
    return off, row, np.arange(off[-1]) - off[row]


def polys_from_rings(x, y, off, row):
    """open rings -> polygons (closing vertex added)."""
    n = np.diff(off)
    o2, r2, k2 = ragged(n + 1)
    src = off[r2] + np.where(k2 == n[r2], 0, k2)
    xy = np.column_stack([x[src], y[src]])
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy, (o2, np.arange(len(n) + 1)))


def fractal(rng, n, beta=1.15, kmin=1, kmax=None):
    """periodic 1/k^beta noise of n samples, std 1."""
    k = np.arange(1, n // 2)
    amp = k**-beta
    amp[: kmin - 1] = 0
    if kmax:
        amp[kmax:] = 0
    spec = np.zeros(n // 2 + 1, complex)
    spec[1 : n // 2] = amp * np.exp(2j * np.pi * rng.random(len(k)))
    f = np.fft.irfft(spec, n)
    return f / f.std()


def blob(rng, cx, cy, rmax, n, beta=1.15, rough=0.35, squash=1.0):
    th = (np.arange(n) + 0.6 * rng.random(n)) / n * 2 * np.pi
    r = np.exp(rough * fractal(rng, n, beta))
    r *= rmax / r.max()
    return np.column_stack([cx + r * np.cos(th), cy + squash * r * np.sin(th)]), r.min()


def close(a):
    return np.vstack([a, a[:1]])


def make_parcels(seed, n, hot, mean=3000.0, first=0, total=None):
    """n star-shaped parcels, 5-60 vertices, log-normal area (mean 3000 m2), 1 % slivers.
    70 % uniform, 15 % clustered, 15 % near the boundary vertices `hot`.
    Chunks of a larger number have the place of their `first` and share the `total`'s clusters."""
    rng = np.random.default_rng([seed, n] if total is None else [seed, total, 8, first])
    nv = rng.integers(5, 61, n)
    sig = 1.1
    area = np.exp(rng.normal(np.log(mean) - sig**2 / 2, sig, n)).clip(1.0, 400_000.0)
    kind = rng.random(n)
    cx = X0 + W * rng.random(n)
    cy = Y0 + H * rng.random(n)
    cl = (kind > 0.70) & (kind < 0.85)
    places = rng if total is None else np.random.default_rng([seed, total, 9])
    c0 = places.random((60, 2)) * [W, H] + [X0, Y0]
    w = rng.integers(0, 60, n)
    cx = np.where(cl, c0[w, 0] + rng.normal(0, 1500, n), cx)
    cy = np.where(cl, c0[w, 1] + rng.normal(0, 1500, n), cy)
    hb = kind >= 0.85
    hv = hot[rng.integers(0, len(hot), n)]
    cx = np.where(hb, hv[:, 0] + rng.normal(0, 30, n), cx).clip(X0 + 700, X0 + W - 700)
    cy = np.where(hb, hv[:, 1] + rng.normal(0, 30, n), cy).clip(Y0 + 700, Y0 + H - 700)
    aspect = np.exp(rng.normal(0, 0.4, n))
    sliver = rng.random(n) < 0.01
    aspect = np.where(sliver, 100.0 + 400 * rng.random(n), aspect)
    area = np.where(sliver, area * 0.05, area)
    rot = rng.random(n) * np.pi
    off, row, k = ragged(nv)
    th = (k + 0.8 * rng.random(off[-1])) / nv[row] * 2 * np.pi
    ph = rng.random((n, 2)) * 6.28
    r = (
        1
        + 0.25 * np.sin(2 * th + ph[row, 0])
        + 0.15 * np.sin(5 * th + ph[row, 1])
        + 0.15 * (rng.random(off[-1]) - 0.5)
    )
    ux, uy = r * np.cos(th), r * np.sin(th)
    # normalise each ring to unit area
    nxt = np.arange(off[-1]) + 1
    nxt[off[1:] - 1] = off[:-1]
    a = np.add.reduceat(ux * uy[nxt] - ux[nxt] * uy, off[:-1]) / 2
    s = np.sqrt(area / a)[row]
    ux, uy = ux * s * np.sqrt(aspect)[row], uy * s / np.sqrt(aspect)[row]
    c, sn = np.cos(rot)[row], np.sin(rot)[row]
    x, y = cx[row] + c * ux - sn * uy, cy[row] + sn * ux + c * uy
    g = polys_from_rings(np.round(x, 4), np.round(y, 4), off, row)
    pid = np.arange(first, first + n, dtype=np.int64)
    df = pd.DataFrame(
        {
            "pid": pid,
            "tbbh": np.char.add("TB", np.char.zfill(pid.astype(str), 8)),
            "source": np.array(["satellite", "patrol", "report", "audit"])[rng.integers(0, 4, n)],
            "year": rng.integers(2018, 2026, n).astype(np.int32),
        }
    )
    return gpd.GeoDataFrame(df, geometry=g, crs=CRS)


def parcel_chunks(seed, size, hot):
    """The parcels of a size, at most CHUNK at a time."""
    n = parcels_of(size)
    if n <= CHUNK:
        yield valid(make_parcels(seed, n, hot))[0]
        return
    mean = 3000.0 * min(1.0, ROOM / n)
    for first in range(0, n, CHUNK):
        yield valid(make_parcels(seed, min(CHUNK, n - first), hot, mean, first, n))[0]


def grid_cells(rng, nx, ny, kmin, kmax, jit, amp, flat_border=False):
    """jittered nx x ny quad mesh whose edges carry kmin..kmax shared extra vertices.
    returns open rings (x, y, off, row)."""
    gx, gy = np.meshgrid(np.linspace(X0, X0 + W, nx + 1), np.linspace(Y0, Y0 + H, ny + 1))
    dx, dy = W / nx, H / ny
    m = np.ones_like(gx)
    m[[0, -1], :] = 0
    m[:, [0, -1]] = 0
    gx = gx + m * jit * dx * (2 * rng.random(gx.shape) - 1)
    gy = gy + m * jit * dy * (2 * rng.random(gy.shape) - 1)
    node = np.arange((nx + 1) * (ny + 1)).reshape(ny + 1, nx + 1)
    hs, he = node[:, :-1].ravel(), node[:, 1:].ravel()  # (ny+1)*nx horizontal edges
    vs, ve = node[:-1, :].ravel(), node[1:, :].ravel()  # ny*(nx+1) vertical edges
    s, e = np.concatenate([hs, vs]), np.concatenate([he, ve])
    px, py = gx.ravel(), gy.ravel()
    k = rng.integers(kmin, kmax + 1, len(s))
    off, row, pos = ragged(k + 1)  # start node + k extras
    t = pos / (k + 1)[row]
    ex, ey = (px[e] - px[s])[row], (py[e] - py[s])[row]
    d = amp * np.sin(np.pi * t) * (2 * rng.random(off[-1]) - 1) * (pos > 0)
    if flat_border:
        onb = np.concatenate(
            [np.isin(np.arange(len(hs)) // nx, [0, ny]), np.isin(np.arange(len(vs)) % (nx + 1), [0, nx])]
        )
        d = d * ~onb[row]
    x, y = px[s][row] + t * ex - d * ey, py[s][row] + t * ey + d * ex
    x, y = np.round(x, 4), np.round(y, 4)
    nxn, nyn = np.round(px, 4), np.round(py, 4)
    j, i = np.divmod(np.arange(nx * ny), nx)
    bot, top = j * nx + i, (j + 1) * nx + i
    nh = len(hs)
    lef, rig = nh + j * (nx + 1) + i, nh + j * (nx + 1) + i + 1
    cnt = np.column_stack([k[bot], k[rig], k[top], k[lef]]) + 1
    roff, rrow, rpos = ragged(cnt.ravel())
    cell, side = np.divmod(rrow, 4)
    edge = np.column_stack([bot, rig, top, lef]).ravel()[rrow]
    fwd = side < 2
    kk = k[edge]
    # reversed sides start with the end node, then extras backwards
    src = np.where(fwd, off[edge] + rpos, off[edge] + kk + 1 - rpos)
    isend = ~fwd & (rpos == 0)
    src = np.where(isend, 0, src)
    X = np.where(isend, nxn[e[edge]], x[src])
    Y = np.where(isend, nyn[e[edge]], y[src])
    off2 = np.concatenate([[0], np.cumsum(cnt.sum(1))])
    return X, Y, off2, cell


def make_farmland(seed, nx=667, ny=500, n=150_000):
    rng = np.random.default_rng([seed, 1])
    x, y, off, row = grid_cells(rng, nx, ny, 1, 18, 0.2, 0.08)
    # smooth mask -> contiguous blocks of fields
    f = np.zeros((ny, nx))
    yy, xx = np.mgrid[0:ny, 0:nx]
    for _ in range(60):
        kx, ky = rng.normal(0, 0.06, 2)
        f += np.cos(kx * xx + ky * yy + 6.28 * rng.random())
    f += 3 * rng.random(f.shape)
    keep = np.sort(np.argsort(f.ravel())[-n:])
    # 40 % of the fields shrink a little (ridges between fields), the rest shares edges
    cnt = np.diff(off)
    cx = np.add.reduceat(x, off[:-1]) / cnt
    cy = np.add.reduceat(y, off[:-1]) / cnt
    sh = np.where(rng.random(nx * ny) < 0.4, 0.94, 1.0)[row]
    x = np.where(sh < 1, np.round(cx[row] + sh * (x - cx[row]), 4), x)
    y = np.where(sh < 1, np.round(cy[row] + sh * (y - cy[row]), 4), y)
    g = polys_from_rings(x, y, off, row)[keep]
    hole = np.flatnonzero(rng.random(n) < 0.02)  # ponds
    for h in hole:
        c = g[h].centroid
        g[h] = g[h].difference(c.buffer(8.0, quad_segs=4))
    return gpd.GeoDataFrame(
        {
            "fid_": np.arange(n, dtype=np.int64),
            "dlbm": np.array(["0101", "0102", "0103"])[rng.integers(0, 3, n)],
            "grade": rng.integers(1, 16, n).astype(np.int32),
        },
        geometry=g,
        crs=CRS,
    )


def make_redline(seed):
    rng = np.random.default_rng([seed, 2])
    nv = np.round(np.exp(rng.uniform(np.log(5e3), np.log(2e5), 40))).astype(int)
    nv[:2] = 5_000, 200_000
    out = []
    for c in range(40):
        j, i = divmod(c, 8)
        cx, cy = X0 + 10_000 * (i + 0.5), Y0 + 12_000 * (j + 0.5)
        sh, rmin = blob(rng, cx, cy, rng.uniform(3500, 4900), int(nv[c]) // 2 * 2, squash=1.2)
        holes = []
        nh = rng.integers(3, 40)
        for a in range(nh):
            th = 2 * np.pi * a / nh
            rr = rmin * (0.35 if a % 2 else 0.7)
            hr = 0.8 * np.pi * 0.35 * rmin / nh
            b, _ = blob(
                rng,
                cx + rr * np.cos(th),
                cy + rr * np.sin(th),
                min(hr, 0.15 * rmin),
                int(rng.integers(10, 400)) * 2,
            )
            holes.append(close(np.round(b, 4)))
        out.append(shapely.Polygon(close(np.round(sh, 4)), holes))
    return gpd.GeoDataFrame(
        {"fid_": np.arange(40), "hxlx": ["R%02d" % i for i in range(40)]}, geometry=out, crs=CRS
    )


def make_urban(seed):
    rng = np.random.default_rng([seed, 3])
    out = []
    for c in range(6):
        j, i = divmod(c, 3)
        b, _ = blob(
            rng,
            X0 + W / 3 * (i + 0.5),
            Y0 + H / 2 * (j + 0.5),
            rng.uniform(9000, 13000),
            int(rng.integers(10_000, 50_001)) * 2,
            beta=1.25,
        )
        out.append(shapely.Polygon(close(np.round(b, 4))))
    return gpd.GeoDataFrame(
        {"fid_": np.arange(6), "name": ["U%d" % i for i in range(6)]}, geometry=out, crs=CRS
    )


def make_green(seed):
    rng = np.random.default_rng([seed, 4])
    out = []
    for c, x in enumerate((550_000.0, 585_000.0)):
        n = 25_000
        y = np.linspace(Y0 + 500, Y0 + H - 500, n)
        mid = x + 3000 * fractal(rng, 2 * n, 1.4)[:n]
        hw = 2500 * np.exp(0.2 * fractal(rng, 2 * n, 1.1)[:n])
        hw2 = 2500 * np.exp(0.2 * fractal(rng, 2 * n, 1.1)[:n])
        ring = np.vstack([np.column_stack([mid + hw, y]), np.column_stack([mid - hw2, y])[::-1]])
        out.append(shapely.Polygon(close(np.round(ring, 4))))
    return gpd.GeoDataFrame({"fid_": np.arange(2), "name": ["G0", "G1"]}, geometry=out, crs=CRS)


def make_towns(seed):
    rng = np.random.default_rng([seed, 5])
    x, y, off, row = grid_cells(rng, 7, 3, 400, 900, 0.15, 0.002, flat_border=True)
    g = polys_from_rings(x, y, off, row)
    return gpd.GeoDataFrame(
        {"fid_": np.arange(21), "name": ["town%02d" % i for i in range(21)]}, geometry=g, crs=CRS
    )


def valid(df):
    """Rows with their invalid polygons repaired, and how many those were."""
    g = df.geometry.values
    bad = ~shapely.is_valid(g)
    if bad.any():
        v = shapely.make_valid(np.asarray(g)[bad])
        v = [
            shapely.MultiPolygon([p for p in shapely.get_parts(q) if p.geom_type == "Polygon"])
            if q.geom_type == "GeometryCollection"
            else q
            for q in v
        ]
        arr = np.asarray(g).copy()
        arr[bad] = v
        df = df.set_geometry(gpd.GeoSeries(arr, crs=CRS))
    return df, bad.sum()


def write(df, name, outdir):
    t = time.time()
    df, repaired = valid(df)
    p = os.path.join(outdir, name)
    if os.path.exists(p + ".gpkg"):
        os.remove(p + ".gpkg")
    df.to_file(p + ".gpkg", layer=name, driver="GPKG", engine="pyogrio")
    df.to_parquet(p + ".parquet", write_covering_bbox=True)
    print(
        f"{name}: {len(df)} polygons, {shapely.get_num_coordinates(df.geometry.values).sum()} vertices, "
        f"{repaired} repaired, area {df.area.sum() / 1e6:.3f} km2, {time.time() - t:.1f}s",
        flush=True,
    )
    return df


class ChunkWriter:
    """A table written chunk by chunk as GeoParquet with a bbox column, or as GeoPackage; whole or not there."""

    def __init__(self, path, layer):
        self.path, self.layer, self.rows = path, layer, 0
        self._part = "{}.part{}".format(*os.path.splitext(path))
        self._parquet = None

    def __enter__(self):
        if os.path.exists(self._part):
            os.remove(self._part)
        return self

    def add(self, frame):
        if self.path.endswith(".parquet"):
            self._add_parquet(frame)
        else:
            more = {"append": True} if self.rows else {}
            frame.to_file(self._part, layer=self.layer, driver="GPKG", engine="pyogrio", **more)
        self.rows += len(frame)

    def _add_parquet(self, frame):
        table = parquet_table(frame)
        if self._parquet is None:
            self._parquet = parquet.ParquetWriter(self._part, table.schema, compression="snappy")
        self._parquet.write_table(table.cast(self._parquet.schema), row_group_size=50_000)

    def __exit__(self, kind, *_):
        if self._parquet is not None:
            self._parquet.close()
        if kind is None:
            os.replace(self._part, self.path)
        elif os.path.exists(self._part):
            os.remove(self._part)


def parquet_table(frame):
    """Rows as geopandas writes them, without the bounds of these rows alone in the metadata."""
    file = io.BytesIO()
    frame.to_parquet(file, index=False, write_covering_bbox=True)
    file.seek(0)
    table = parquet.read_table(file)
    geo = json.loads(table.schema.metadata[b"geo"])
    for column in geo["columns"].values():
        column.pop("bbox", None)
    return table.replace_schema_metadata({b"geo": json.dumps(geo).encode()})


def hot_spots(outdir):
    """Boundary vertices of the big layers, near which parcels are placed."""
    big = [gpd.read_parquet(os.path.join(outdir, n + ".parquet")) for n in ("redline", "urban", "green")]
    return np.vstack([shapely.get_coordinates(d.geometry.values) for d in big])


def generate_layers(outdir, seed=20240601):
    """Write what is missing of the layers."""
    os.makedirs(outdir, exist_ok=True)
    makers = {
        "redline": make_redline, "urban": make_urban, "green": make_green,
        "towns": make_towns, "farmland": make_farmland,
    }  # fmt: skip
    missing = [n for n in makers if not os.path.exists(os.path.join(outdir, n + ".parquet"))]
    for name in missing:
        write(makers[name](seed), name, outdir)


def generate(outdir, sizes, seed=20240601):
    """Write what is missing of the layers and the parcels of the given sizes."""
    generate_layers(outdir, seed)
    hot = None
    for size in sizes:
        name = "parcels_" + size
        if os.path.exists(os.path.join(outdir, name + ".parquet")):
            continue
        if size == "snapped":
            fields = gpd.read_parquet(os.path.join(outdir, "farmland.parquet"))[:50_000]
            fields = fields.rename(columns={"fid_": "pid"})[["pid", "dlbm", "geometry"]]
            write(fields, name, outdir)
            continue
        hot = hot_spots(outdir) if hot is None else hot
        if parcels_of(size) <= CHUNK:
            write(next(parcel_chunks(seed, size, hot)), name, outdir)
            continue
        for form in reversed(FORMS):
            with ChunkWriter(os.path.join(outdir, f"{name}.{form}"), name) as out:
                for frame in parcel_chunks(seed, size, hot):
                    out.add(frame)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--sizes", default="S,M")
    options = parser.parse_args()
    generate(options.folder, options.sizes.split(","))
