"""Command line: the features that a module gives of many pictures.

    python -m scn_tf.embed --module=runs/voc07/module --images=DIR \\
      --output=features.parquet

Writes features.npy (with features.json beside it), .csv or .parquet, by the
suffix of --output. What is finished lies in .NAME.parts/ beside it until
then: the same command given again continues. Pictures that cannot be read are
named and left out. --projector_dir=DIR also writes a folder that TensorBoard
shows as a cloud of pictures: tensorboard --logdir=DIR.
"""

import tfrecords.quiet_start  # noqa: F401

# isort: split
import pathlib
import time

from absl import flags

from scn_tf.command_line import run_command
from scn_tf.command_line import start
from scn_tf.embedding.command_flags import check_not_among
from scn_tf.embedding.command_flags import common_flags
from scn_tf.embedding.embedder import embed_pictures
from scn_tf.embedding.embedder import Embedding
from scn_tf.embedding.feature_files import check_output
from scn_tf.embedding.feature_files import FeatureTable
from scn_tf.embedding.feature_files import write_features
from scn_tf.embedding.feature_parts import FeatureParts
from scn_tf.embedding.feature_parts import features_key
from scn_tf.embedding.loaded_module import FeatureModule
from scn_tf.embedding.picture_source import open_pictures
from scn_tf.embedding.picture_source import Pictures
from scn_tf.embedding.projector import drawn_rows
from scn_tf.embedding.projector import make_folder
from scn_tf.embedding.projector import MOST_PICTURES
from scn_tf.embedding.projector import write_projector
from tfrecords.path_flag import define_path


def main(arguments: list[str]) -> int:
    """Embeds what the command line says; returns the exit code."""
    return run_command(_embed, _flags(), __doc__, arguments)


def _flags() -> flags.FlagValues:
    values = common_flags()
    define_path(
        "output",
        None,
        "File to write: .npy, .csv or .parquet.",
        flag_values=values,
        required=True,
    )
    define_path(
        "projector_dir",
        "",
        "Folder to write for TensorBoard's projector; empty: none.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "projector_images",
        5000,
        "Pictures in the projector, at most; of more, some are drawn by "
        "--seed. The file has all.",
        lower_bound=1,
        upper_bound=MOST_PICTURES,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed", 0, "Seed of that choice.", lower_bound=0, flag_values=values
    )
    return values


def _embed(values: flags.FlagValues) -> int:
    output = pathlib.Path(values.output)
    check_output(output)
    if values.projector_dir:
        check_not_among(values.images, "projector_dir", values.projector_dir)
        make_folder(values.projector_dir)
    pictures = open_pictures(values.images, values.on_bad_image)
    module = FeatureModule(values.module, values.image_size)
    key = features_key(module.digest, module.image_size, pictures.digest())
    parts = FeatureParts(output.with_name(f".{output.name}.parts"), key)
    start = time.perf_counter()
    embedding = embed_pictures(
        module, pictures, parts, values.batch_size, values.on_bad_image
    )
    seconds = time.perf_counter() - start
    if len(embedding.rows):
        names, columns = _chosen(pictures, embedding.rows)
        about = {
            "key": key,
            "module": values.module,
            "module_sha256": module.digest,
            "images": values.images,
            "image_size": module.image_size,
            "left_out": [list(pair) for pair in embedding.left_out],
        }
        write_features(
            FeatureTable(names, columns, embedding.features, about), output
        )
        if values.projector_dir:
            _project(values, pictures, embedding)
        print(
            f"{output}: {len(names):,} images, "
            f"{embedding.features.shape[1]} features each, of pictures "
            f"resized to {module.image_size} x {module.image_size}"
        )
        print(_pace(embedding, seconds))
    parts.remove()
    if embedding.left_out:
        print(embedding.left_out_text())
    if not len(embedding.rows):
        print(f"None of the pictures can be used; {output} is not written.")
        return 1
    return 0


def _chosen(
    pictures: Pictures, rows: list[int]
) -> tuple[list[str], dict[str, list[str]]]:
    """Returns names and columns of some of the pictures."""
    return [pictures.names[row] for row in rows], {
        name: [texts[row] for row in rows]
        for name, texts in pictures.columns.items()
    }


def _project(
    values: flags.FlagValues, pictures: Pictures, embedding: Embedding
) -> None:
    chosen = drawn_rows(
        len(embedding.rows), values.projector_images, values.seed
    )
    rows = embedding.rows[chosen]
    names, columns = _chosen(pictures, rows)
    write_projector(
        values.projector_dir,
        embedding.features[chosen],
        {"image_id": names, **columns},
        pictures,
        rows,
    )
    if len(rows) < len(embedding.rows):
        print(
            f"The projector has {len(rows):,} of {len(embedding.rows):,} "
            f"images, drawn with seed {values.seed} (--projector_images)."
        )
    print(f"tensorboard --logdir={values.projector_dir}")


def _pace(embedding: Embedding, seconds: float) -> str:
    found = len(embedding.rows) + len(embedding.left_out)
    found -= embedding.num_computed
    earlier = f", {found:,} were there from before" if found > 0 else ""
    rate = embedding.num_computed / max(seconds, 1e-9)
    return (
        f"{embedding.num_computed:,} computed in {seconds:.1f} s "
        f"({rate:.1f} images/s){earlier}"
    )


if __name__ == "__main__":
    start(main)
