"""Shapely as an expert uses it: big polygons cut into quadtree tiles, covered-by first, two threads, re-union."""

from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import shapely

from benchmarks.meter import TOUCHING_M2, Job, Meter

TILE_VERTICES = 256
POOL = ThreadPoolExecutor(2)


def in_parallel(function, *arrays):
    if len(arrays[0]) < 64:
        return function(*arrays)
    chunks = np.array_split(np.arange(len(arrays[0])), 16)
    return np.concatenate(list(POOL.map(lambda i: function(*(a[i] for a in arrays)), chunks)))


def tile(geometry, ids):
    done_g, done_i = [], []
    box = shapely.bounds(geometry)
    while len(geometry):
        big = shapely.get_num_coordinates(geometry) > TILE_VERTICES
        done_g.append(geometry[~big])
        done_i.append(ids[~big])
        geometry, ids, box = geometry[big], ids[big], box[big]
        if not len(geometry):
            break
        x0, y0, x1, y1 = box.T
        mx, my = (x0 + x1) / 2, (y0 + y1) / 2
        quarters = np.concatenate(
            [np.c_[x0, y0, mx, my], np.c_[mx, y0, x1, my], np.c_[x0, my, mx, y1], np.c_[mx, my, x1, y1]]
        )
        cut = in_parallel(shapely.intersection, np.tile(geometry, 4), shapely.box(*quarters.T))
        keep = shapely.area(cut) > 0
        geometry, ids, box = cut[keep], np.tile(ids, 4)[keep], quarters[keep]
    return np.concatenate(done_g), np.concatenate(done_i)


job = Job()
meter = Meter("shapely tiled + threads")
parcels = gpd.read_file(job.parcels("gpkg"), columns=["pid"], use_arrow=True)
layers = {n: gpd.read_file(job.path(n, "gpkg"), columns=["fid_"], use_arrow=True) for n in job.layers}
meter.mark("read")
out = job.fresh_out()
subject = np.asarray(parcels.geometry.values)
for name, layer in layers.items():
    tiles, ids = tile(np.asarray(layer.geometry.values), layer["fid_"].values)
    meter.mark("tile")
    p, t = shapely.STRtree(tiles).query(subject)
    shapely.prepare(tiles)
    covered = shapely.covers(tiles[t], subject[p])  # one thread: prepared geometries must not be shared
    cut = np.flatnonzero(~covered)
    cut = cut[shapely.intersects(tiles[t[cut]], subject[p[cut]])]
    meter.mark("predicates")
    piece = in_parallel(shapely.intersection, subject[p[cut]], tiles[t[cut]])
    meter.mark("intersection")
    parcel = np.r_[p[covered], p[cut]]
    feature = ids[np.r_[t[covered], t[cut]]]
    geometry = np.r_[subject[p[covered]], piece]
    area = shapely.area(geometry)
    keep = area > 0
    parcel, feature, geometry, area = parcel[keep], feature[keep], geometry[keep], area[keep]
    order = np.lexsort((feature, parcel))
    parcel, feature, geometry = parcel[order], feature[order], geometry[order]
    first = np.flatnonzero(np.r_[True, (parcel[1:] != parcel[:-1]) | (feature[1:] != feature[:-1])])
    count = np.diff(np.r_[first, len(parcel)])
    united = geometry[first]
    for i in np.flatnonzero(count > 1):
        united[i] = shapely.union_all(geometry[first[i] : first[i] + count[i]])
    area = shapely.area(united)
    keep = area > TOUCHING_M2
    first, united, area = first[keep], united[keep], area[keep]
    meter.mark("re-union")
    meter.totals[name], meter.pieces[name] = float(area.sum()), len(united)
    gpd.GeoDataFrame(
        {"pid": parcels["pid"].values[parcel[first]], "fid_": feature[first], "area": area},
        geometry=united,
        crs=parcels.crs,
    ).to_file(out, layer=name, driver="GPKG")
    meter.mark("write")
meter.done(version=f"{shapely.__version__} / GEOS {shapely.geos_version_string}")
