"""Command line: the pictures that a module finds most like a given one.

    python -m scn_tf.neighbours --module=runs/voc07/module --images=DIR \\
      --query=DIR/some.jpg

Draws a sheet, the query and its nearest pictures by cosine similarity of
their features, and prints the list. The features of --images are computed at
the first query and kept in .neighbours.parts/ beside the sheet; further
queries of the same module and pictures find them there. --features=FILE.npy
takes those that python -m scn_tf.embed wrote.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import pathlib

import numpy as np
from absl import flags

from scn_tf.command_line import run_command
from scn_tf.command_line import start
from scn_tf.embedding.command_flags import check_not_among
from scn_tf.embedding.command_flags import common_flags
from scn_tf.embedding.embedder import as_input
from scn_tf.embedding.embedder import embed_pictures
from scn_tf.embedding.feature_files import read_features
from scn_tf.embedding.feature_parts import FeatureParts
from scn_tf.embedding.feature_parts import features_key
from scn_tf.embedding.loaded_module import FeatureModule
from scn_tf.embedding.nearest import nearest
from scn_tf.embedding.neighbor_sheet import draw_neighbors
from scn_tf.embedding.picture_source import open_pictures
from scn_tf.embedding.picture_source import Pictures
from tfrecords.errors import InputError
from tfrecords.images import load_image
from tfrecords.path_flag import define_path

_MOST_NEIGHBORS = 200
_PARTS = ".neighbours.parts"


def main(arguments: list[str]) -> int:
    """Draws the sheet that the command line asks for; returns the code."""
    return run_command(_find, _flags(), __doc__, arguments)


def _flags() -> flags.FlagValues:
    values = common_flags()
    define_path(
        "query",
        None,
        "A picture: a file inside of --images or elsewhere; or, where no such "
        "file is, the name of a picture of --images.",
        flag_values=values,
        required=True,
    )
    flags.DEFINE_integer(
        "number",
        12,
        "Neighbors to show.",
        lower_bound=1,
        upper_bound=_MOST_NEIGHBORS,
        flag_values=values,
    )
    define_path(
        "output", "neighbours.png", "PNG file to draw.", flag_values=values
    )
    define_path(
        "features",
        "",
        "The .npy file that scn_tf.embed wrote for this module and these "
        "pictures; empty: they are computed once and kept.",
        flag_values=values,
    )
    return values


def _find(values: flags.FlagValues) -> int:
    output = pathlib.Path(values.output)
    if output.suffix != ".png":
        raise InputError(
            f"--output={output} must end in .png: a sheet is drawn there."
        )
    if output.is_dir():
        raise InputError(
            f"--output={output} is a folder; wanted: a file. Name one in it."
        )
    check_not_among(values.images, "output", values.output)
    pictures = open_pictures(values.images, values.on_bad_image)
    own_row = pictures.find(values.query)
    pixels = _query_pixels(values.query, pictures, own_row)
    module = FeatureModule(values.module, values.image_size)
    rows, features = _features(values, module, pictures, output.parent)
    query = module(as_input(pixels, module.image_size)[np.newaxis])[0]
    itself = np.flatnonzero(rows == own_row) if own_row is not None else []
    found, similarities = nearest(
        features, query, values.number, itself[0] if len(itself) else None
    )
    if not len(found):
        raise InputError(
            f"{values.images} holds no picture besides the query that can be "
            "read. Name a folder with more."
        )
    neighbors = [
        (pictures.load(row), pictures.names[row], float(similarity))
        for row, similarity in zip(rows[found], similarities, strict=True)
    ]
    draw_neighbors(pixels, pathlib.Path(values.query).name, neighbors, output)
    for place, (_, name, similarity) in enumerate(neighbors, 1):
        print(f"{place:3d}  {similarity:7.4f}  {name}")
    print(f"{output}: {len(neighbors)} of {len(rows):,} images")
    return 0


def _query_pixels(
    query: str, pictures: Pictures, own_row: int | None
) -> np.ndarray:
    if own_row is not None:
        return pictures.load(own_row)
    if not pathlib.Path(query).is_file():
        raise InputError(
            f"--query={query} is no file, and none of the "
            f"{len(pictures.names):,} pictures of --images has that name. "
            "Name a picture."
        )
    return load_image(pathlib.Path(query)).pixels


def _features(
    values: flags.FlagValues,
    module: FeatureModule,
    pictures: Pictures,
    folder: pathlib.Path,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns indices of pictures [N] and their features [N, D]."""
    key = features_key(module.digest, module.image_size, pictures.digest())
    if not values.features:
        embedding = embed_pictures(
            module,
            pictures,
            FeatureParts(folder / _PARTS, key),
            values.batch_size,
            values.on_bad_image,
        )
        if embedding.left_out:
            print(embedding.left_out_text())
        return embedding.rows, embedding.features
    table = read_features(values.features)
    if table.about.get("key") != key:
        raise InputError(
            f"{values.features} holds features by another module, of other "
            f"pictures or of another size (of {table.about.get('images')} by "
            f"{table.about.get('module')}); wanted: of {values.images} as it "
            f"is now, by {values.module}. Make it again with python -m "
            "scn_tf.embed, or leave --features away."
        )
    index = {name: row for row, name in enumerate(pictures.names)}
    rows = np.array([index[name] for name in table.names], np.int64)
    return rows, table.features


if __name__ == "__main__":
    start(main)
