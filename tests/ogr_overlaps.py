"""Plane overlaps of the sample parcels by GDAL's own Python: another transform, another GEOS.

Run by the system's Python, which has no part of landremed. Arguments: the samples' folder. Prints JSON:
layer -> parcel -> square metres.
"""

import json
import sys

from osgeo import gdal, ogr, osr

gdal.UseExceptions()
folder = sys.argv[1]
LAYERS = {
    "permanent_basic_farmland": ("yjjbnt.shp", "yjjbnt", None),
    "ecological_red_line": ("constraints.gpkg", "stbhhx", None),
    "urban_development_boundary": (
        "constraints.gpkg",
        "czkfbj",
        "GHFQMC IN ('城镇集中建设区', '城镇弹性发展区', '特别用途区')",
    ),
    "green_ecological_barrier": ("constraints.gpkg", "lsstpz", None),
}

target = osr.SpatialReference()
target.ImportFromEPSG(4548)
target.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)

parcels = {}
source = ogr.Open(f"{folder}/parcels.gpkg")
for feature in source.GetLayerByName("parcels"):
    shape = feature.GetGeometryRef()
    if shape is not None and not shape.IsEmpty() and shape.IsValid():
        parcels[feature["TBBH"]] = shape.Clone()

told = {}
for role, (file, name, where) in LAYERS.items():
    data = ogr.Open(f"{folder}/{file}")
    layer = data.GetLayerByName(name)
    if where:
        layer.SetAttributeFilter(where)
    own = layer.GetSpatialRef().Clone()
    own.SetAxisMappingStrategy(osr.OAMS_TRADITIONAL_GIS_ORDER)
    move = osr.CoordinateTransformation(own, target)
    shapes = []
    for feature in layer:
        shape = feature.GetGeometryRef().Clone()
        shape.Transform(move)
        if not shape.IsValid():
            shape = shape.MakeValid()
        shapes.append((shape.GetEnvelope(), shape))
    told[role] = {}
    for parcel, shape in parcels.items():
        x0, x1, y0, y1 = shape.GetEnvelope()
        near = ogr.Geometry(ogr.wkbMultiPolygon)
        for (a0, a1, b0, b1), other in shapes:
            if a0 <= x1 and a1 >= x0 and b0 <= y1 and b1 >= y0:
                piece = shape.Intersection(other)
                if piece.GetArea() > 0:
                    near = near.Union(piece)
        told[role][parcel] = near.GetArea()
print(json.dumps(told))
