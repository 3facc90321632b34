"""Laws of weights packed into few variables."""

import keras
import numpy as np
from keras import layers

from export.packed_weights import bare
from export.packed_weights import call_with
from export.packed_weights import computing_in
from export.packed_weights import PackedWeights


def make_model(seed=0):
    keras.utils.set_random_seed(seed)
    x = images = keras.Input((6, 6, 3))
    for _ in range(2):
        x = layers.Conv2D(4, 3, padding="same")(x)
        x = layers.BatchNormalization(momentum=0.5)(x)
    x = layers.Flatten()(x)
    return keras.Model(images, layers.Dense(128)(x))


def images():
    return np.random.default_rng(0).random((2, 6, 6, 3), np.float32)


def test_a_call_with_the_copies_is_the_models_call():
    model = make_model()
    with bare([model]):
        weights = PackedWeights([model], [model])
        output = call_with(weights.read(), model, images(), training=False)
    np.testing.assert_array_equal(output, model(images()))


def test_vectors_lie_together_and_small_kernels_too():
    model = make_model()
    with bare([model]):
        weights = PackedWeights([model], [model])
    shapes = [tuple(v.shape) for v in weights.trainable_variables]
    # 3*3*3*4 + 3*3*4*4 kernels; 2 * (4 + 2 * 4) + 128 in vectors; the dense
    # kernel is large and keeps its own variable.
    assert sorted(shapes) == [(144, 128), (24 + 128,), (108 + 144,)]
    (statistics,) = weights.variables[3:]
    assert statistics.shape == (2 * 2 * 4,)
    assert not statistics.trainable


def test_kernels_are_those_of_one_model():
    models = make_model(0), make_model(1)
    with bare(models):
        weights = PackedWeights(models, models)
    sums = [
        sum(float(np.sum(np.square(v))) for v in weights.kernels(model))
        for model in models
    ]
    for model, total in zip(models, sums, strict=True):
        kernels = [v for v in model.weights if len(v.shape) > 1]
        expected = sum(np.sum(np.square(v.numpy())) for v in kernels)
        np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_weights_that_are_not_tuned_stay_out_of_training():
    models = make_model(0), make_model(1)
    with bare(models):
        weights = PackedWeights(models, models[1:])
    assert len(weights.trainable_variables) == 3
    assert weights.kernels(models[0]) == []
    elements = sum(np.prod(v.shape) for v in weights.variables)
    assert elements == 2 * models[0].count_params()


def test_what_a_training_moves_is_written_and_nothing_else():
    model = make_model()
    with bare([model]):
        weights = PackedWeights([model], [model])
        earlier = [variable.numpy() for variable in weights.variables]
        before = weights.read()
        after = dict(before)
        call_with(after, model, images(), training=True)
        weights.write(before, after)
    model(images(), training=True)
    moved = np.concatenate([v.numpy() for v in model.non_trainable_variables])
    *trained, statistics = weights.variables
    np.testing.assert_allclose(statistics, moved, rtol=1e-6)
    for variable, value in zip(trained, earlier, strict=False):
        np.testing.assert_array_equal(variable, value)


def test_a_precision_lasts_as_long_as_its_block():
    model = make_model()
    expected = model(images())
    with computing_in("bfloat16", [model]):
        rounded = model(images())
        policies = {type(x): x.compute_dtype for x in model.layers}
    assert rounded.dtype == "bfloat16"
    assert policies[layers.BatchNormalization] == "float32"
    assert policies[layers.Conv2D] == "bfloat16"
    np.testing.assert_array_equal(model(images()), expected)


def test_names_and_trainability_come_back():
    model = make_model()
    model.layers[1].trainable = False
    kept = [(layer.name, layer.trainable) for layer in model.layers]
    with bare([model]):
        assert all(layer.trainable for layer in model.layers)
    assert kept == [(layer.name, layer.trainable) for layer in model.layers]
