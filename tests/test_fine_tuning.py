"""A classifier learns alike through hub's layer and through ours.

`hub.KerasLayer` is a layer of tf_keras, `FeatureVector` one of Keras 3: the
same module, the same pictures in the same order, the same first weights of
the classifier.
"""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras
from small_modules import small_images
from small_modules import write_small_module

from export.feature_module import save_feature_vector
from export.keras_layer import FeatureVector
from scn_tf.backbones import build_backbone
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import load_patches

SIZE = 96
CLASSES = 5
SEEDS = (0, 1, 2)
EPOCHS = 3
RATE = 0.001


def hub_layer(module_dir, trainable):
    import tensorflow_hub as hub

    return hub.KerasLayer(str(module_dir), trainable=trainable)


# The two sides: Keras, and a layer of the module.
SIDES = {"hub": (tf_keras, hub_layer), "ours": (keras, FeatureVector)}


def trained(side, layer, images, labels, seed, epochs=1):
    """Trains a classifier on a layer."""
    library, _ = SIDES[side]
    rng = np.random.default_rng(seed)
    inputs = library.Input(images.shape[1:])
    head = library.layers.Dense(int(labels.max()) + 1)
    model = library.Model(inputs, head(layer(inputs)))
    model.compile(
        library.optimizers.SGD(RATE, momentum=0.9),
        library.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    kernel, bias = head.get_weights()
    kernel = rng.normal(0, 0.01, kernel.shape).astype("float32")
    head.set_weights([kernel, bias])
    for _ in range(epochs):
        order = rng.permutation(len(images))
        shuffled = images[order], labels[order]
        model.fit(*shuffled, batch_size=32, shuffle=False, verbose=0)
    return model


def values(variables):
    return [variable.numpy() for variable in variables]


def moved(before, after):
    return [
        not np.array_equal(one, other)
        for one, other in zip(before, after, strict=True)
    ]


@pytest.mark.parametrize("trainable", [False, True])
def test_both_take_the_same_steps(tmp_path, trainable):
    module_dir = write_small_module(tmp_path / "module")
    # Of the order of one; else the classifier's steps explode.
    images, labels = small_images(64) * 0.01, np.arange(64) % 2
    outputs = {}
    for side, (_, make_layer) in SIDES.items():
        layer = make_layer(module_dir, trainable=trainable)
        before = values(layer.variables)
        model = trained(side, layer, images, labels, seed=0)
        outputs[side] = np.asarray(model(images))
        # Weights and batch statistics, or neither.
        assert any(moved(before, values(layer.variables))) == trainable
    assert outputs["hub"].shape == (64, 2)
    np.testing.assert_allclose(outputs["ours"], outputs["hub"], rtol=2e-3)


@pytest.fixture(scope="module")
def crops(scn_data, tmp_path_factory):
    """Crops of the commonest classes' objects by split, and their classes."""
    records = tmp_path_factory.mktemp("fine_tuning") / "records"
    command = [sys.executable, "-m", "tfrecords.build", "--source=voc"]
    command += ["--proposals=ground_truth", "--boxes_per_image=0"]
    command += [f"--data_dir={scn_data / 'data'}", f"--records_dir={records}"]
    subprocess.run([*command, "--limit_images=700"], check=True)
    graphs = {
        split: read_pair_graph(records, [split]) for split in ("train", "val")
    }
    common = np.argsort(-np.bincount(graphs["train"].labels))[:CLASSES]
    found = {}
    for split, graph in graphs.items():
        number = min(np.bincount(graph.labels)[common].min(), 60)
        rows = np.concatenate(
            [np.flatnonzero(graph.labels == each)[:number] for each in common]
        )
        rows = np.sort(rows)
        patches = load_patches(graph, rows, SIZE).astype("float32") / 255
        places = {label: place for place, label in enumerate(common)}
        labels = np.array([places[label] for label in graph.labels[rows]])
        found[split] = patches, labels
    return found


@pytest.fixture(scope="module")
def photo_module(scn_data, tmp_path_factory):
    """MobileNetV2 for 96 pixels, with ImageNet's weights."""
    weights = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"
    backbone = build_backbone(
        "mobilenet_v2", "Conv_1", str(weights), image_size=SIZE
    )
    folder = tmp_path_factory.mktemp("module") / "module"
    save_feature_vector(backbone.trunk, backbone.neck, SIZE, folder, 5e-4)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("trainable", [False, True])
def test_photographs_are_told_apart_as_well(photo_module, crops, trainable):
    accuracies = {side: [] for side in SIDES}
    images, labels = crops["train"]
    for side, (_, make_layer) in SIDES.items():
        for seed in SEEDS:
            layer = make_layer(photo_module, trainable=trainable)
            before = values(layer.variables)
            model = trained(side, layer, images, labels, seed, EPOCHS)
            has_moved = moved(before, values(layer.variables))
            if trainable:
                assert np.mean(has_moved) > 0.9  # all but dead ones
            else:
                # Batch statistics are among the variables.
                assert not any(has_moved)
            # Moving statistics lag behind so few steps: what was tuned is
            # judged by those of the batch.
            parts = np.array_split(crops["val"][0], 6)
            scores = np.concatenate(
                [np.asarray(model(part, training=trainable)) for part in parts]
            )
            right = scores.argmax(axis=1) == crops["val"][1]
            accuracies[side].append(float(right.mean()))
    print(f"trainable={trainable}: accuracy by seed {accuracies}")
    means = [np.mean(values) for values in accuracies.values()]
    spread = max(np.ptp(values) for values in accuracies.values())
    assert min(means) > 1.5 / CLASSES
    assert abs(means[0] - means[1]) <= max(spread, 0.01)
