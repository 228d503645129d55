"""Label maps with a georeference as GeoJSON polygons."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError, describe_error
from ..io.geojson import import_gdal, no_georeference, write_features


def write_polygons(label_map: str | Path, out: str | Path, names: Sequence[str], first_label: int = 0) -> int:
    """Write the regions of a label map as GeoJSON polygons.

    A region is of one class, and each of its pixels shares a side with another one. Its polygon, with holes, has
    ``label``, its value in the map, and ``name`` as properties. :func:`~convnext_dense.io.geojson.write_features` says
    what the coordinates are.

    GDAL reads the label map row by row. Its memory grows with the number and the borders of the polygons, but not with
    the pixels inside.

    Args:
        label_map: a GeoTIFF of one band.
        out: the file to write.
        names: K class names. Other values, such as 255 for pixels without a class, give no polygon.
        first_label: value of the first class.

    Returns:
        The number of polygons.

    Raises:
        UserError: if the label map has no georeference or can't be read, ``out`` can't be written, or rasterio is
            missing.
    """
    rasterio = import_gdal()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', rasterio.errors.NotGeoreferencedWarning)
        try:
            dataset = rasterio.open(label_map)
        except rasterio.errors.RasterioIOError as error:
            raise UserError(f'{label_map} cannot be read: {error}') from None
    with dataset:
        if dataset.crs is None or dataset.transform.is_identity:
            raise no_georeference(label_map)
        try:
            for _, block in dataset.block_windows(1):  # GDAL makes no polygons of what it can't read, in silence
                dataset.read(1, window=block)
        except rasterio.errors.RasterioError as error:
            raise UserError(f'{label_map} cannot be read: {describe_error(error)}') from None
        shapes = rasterio.features.shapes(rasterio.band(dataset, 1), transform=dataset.transform)
        values = range(first_label, first_label + len(names))
        known = ((shape, int(value)) for shape, value in shapes if int(value) in values)
        properties = ((shape, {'label': value, 'name': names[value - first_label]}) for shape, value in known)
        return write_features(out, dataset.crs, properties)
