"""The module of a run: written from its networks, and compared with them.

In: a `Run` whose networks are those to be exported. Out: the module's folder,
and how far what every consumer gets is from the networks themselves.
"""

import os

import numpy as np
import tensorflow as tf

from export.card.card_facts import facts_of_run
from export.card.model_card import model_card
from export.comparison import check_module
from export.comparison import ConsumerResult
from export.comparison import exact_products
from export.comparison import size_ratio
from export.feature_module import save_feature_vector
from scn_tf.export_flags import ExportOptions
from scn_tf.run import Run
from scn_tf.unit_length import side_by_side


def save_module(
    run: Run, module_dir: str | os.PathLike, options: ExportOptions
) -> None:
    """Writes the feature vector of a run, and its card.

    Args:
        run: its networks as they are now.
        module_dir: see `save_feature_vector`.
        options: what the module gives.

    Raises:
        InputError: see `save_feature_vector`.
    """
    backbone = run.backbone
    joined = options.export_features == "joined"
    save_feature_vector(
        backbone.trunk,
        backbone.neck,
        backbone.image_size,
        module_dir,
        run.config.training.neck_decay_to_zero,
        run.frozen_neck if joined else None,
        options.inference_precision,
        model_card(facts_of_run(run, module_dir, options)),
    )


@exact_products()
def compare_module(
    run: Run,
    module_dir: str | os.PathLike,
    options: ExportOptions,
    images: np.ndarray,
) -> tuple[dict[str, object], list[ConsumerResult]]:
    """Loads a module in every way and compares it with the run's networks.

    In float32 each consumer is held against the networks. In another
    precision all are held against the first that loaded the module, and its
    rounding, the distance to the networks, is stated.

    Args:
        run: whose networks were written.
        module_dir: the module.
        options: as it was written.
        images: [B, S, S, 3] float32 RGB in [0, 1].

    Returns:
        Numbers for the run's log, and the consumers that are not right.
    """
    expected = _features(run, options, images)
    rounding = None
    if options.inference_precision != "float32":
        exact = expected
        expected = tf.saved_model.load(str(module_dir))(images).numpy()
        distance = np.linalg.norm(expected - exact)
        rounding = float(distance / np.linalg.norm(exact))
    results = check_module(module_dir, images, expected)
    numbers = {
        "neck_blend": run.config.neck_blend,
        "features": options.export_features,
        "inference_precision": options.inference_precision,
        "size_over_weights": size_ratio(module_dir),
        "rounding": rounding,
        "consumers": {
            result.consumer: result.max_relative_difference
            for result in results
        },
    }
    return numbers, [result for result in results if not result.is_good]


def _features(
    run: Run, options: ExportOptions, images: np.ndarray
) -> np.ndarray:
    """Returns what the module should give: [B, D], float32."""
    maps = run.backbone.trunk(images, training=False)
    tuned = np.float32(run.backbone.neck(maps, training=False))
    if options.export_features == "tuned":
        return tuned
    original = np.float32(run.frozen_neck(maps, training=False))
    return side_by_side(tuned, original)
