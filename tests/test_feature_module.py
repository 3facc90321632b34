import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from tiny import mirrored

from export.feature_module import save_feature_vector
from export.image_input import decoded
from scn_tf.backbones import build_backbone

SIZE = 8


def make_parts(dropout=0.0, dtype=None):
    images = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(4, 3, name="conv", dtype=dtype)(images)
    x = layers.BatchNormalization(momentum=0.5, name="norm", dtype=dtype)(x)
    trunk = keras.Model(images, layers.ReLU(dtype=dtype)(x))
    maps = keras.Input(trunk.output_shape[1:])
    x = maps
    if dropout:
        x = layers.Dropout(dropout, seed=1)(x)
    # The same name as in the trunk: nothing forbids it.
    x = layers.Conv2D(5, 3, name="conv", dtype=dtype)(x)
    x = layers.BatchNormalization(momentum=0.5, name="norm", dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(dtype=dtype)(x)
    neck = keras.Model(maps, x, name="neck")
    scramble([trunk, neck])
    return trunk, neck


def scramble(models, seed=0):
    rng = np.random.default_rng(seed)
    for model in models:
        for weight in model.weights:
            value = rng.uniform(0.1, 0.9, weight.shape)
            weight.assign(value.astype("float32"))


def random_images(num=3, height=SIZE, width=SIZE, seed=0):
    shape = (num, height, width, 3)
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def values(variables):
    return [variable.numpy() for variable in variables]


def num_elements(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


def saved(tmp_path, trunk, neck, weight_decay=0.0, size=SIZE):
    module_dir = tmp_path / "module"
    save_feature_vector(trunk, neck, size, module_dir, weight_decay)
    return module_dir


@pytest.fixture
def parts():
    trunk, neck = make_parts()
    trunk.trainable = False
    return trunk, neck


@pytest.fixture(scope="module")
def module_dir(tmp_path_factory):
    trunk, neck = make_parts()
    trunk.trainable = False
    return saved(tmp_path_factory.mktemp("shared"), trunk, neck)


@pytest.fixture
def module(module_dir):
    """Holds the weights of `parts`: both are made from the same seed."""
    return tf.saved_model.load(module_dir)


def test_the_module_computes_what_the_network_computes(parts, module):
    trunk, neck = parts
    images = random_images()
    features = module(images)
    assert features.dtype == tf.float32
    assert features.shape == (3, 5)
    np.testing.assert_array_equal(features, neck(trunk(images)))


def test_every_endpoint_gives_the_same_features(module):
    images = tf.constant(random_images())
    expected = module(images, training=False)
    np.testing.assert_array_equal(module.call_inference(images), expected)
    served = module.signatures["serving_default"](images=images)
    assert list(served) == ["features"]
    np.testing.assert_array_equal(served["features"], expected)


def test_training_endpoints_use_the_statistics_of_the_batch(parts, module):
    trunk, neck = parts
    images = random_images()
    trunk.trainable = True
    expected = neck(trunk(images, training=True), training=True)
    np.testing.assert_allclose(
        module(images, training=True), expected, rtol=1e-6
    )
    np.testing.assert_allclose(
        module.call_training(images), expected, rtol=1e-6
    )


@pytest.mark.parametrize("height, width", [(5, 13), (16, 16), (8, 9)])
def test_images_of_another_size_are_resized_with_antialias(
    module, height, width
):
    images = random_images(2, height, width)
    resized = tf.image.resize(images, [SIZE, SIZE], antialias=True)
    np.testing.assert_array_equal(module(images), module(resized))


def test_the_features_of_an_image_do_not_depend_on_its_batch(module):
    images = random_images(3)
    np.testing.assert_allclose(module(images)[1:2], module(images[1:2]))


def test_freezing_in_keras_does_not_freeze_the_module(module):
    # conv 3*3*3*4 + 4, norm 2 * 4, conv 3*3*4*5 + 5, norm 2 * 5 = 315;
    # moving statistics 2 * 4 + 2 * 5 = 18.
    assert num_elements(module.trainable_variables) == 315
    assert num_elements(module.variables) == 315 + 18
    assert all(variable.trainable for variable in module.trainable_variables)


def test_each_trainable_weight_gets_a_gradient(tmp_path):
    images = keras.Input((SIZE, SIZE, 3))
    # Built while frozen, so that TensorFlow's own flag says frozen too.
    x = layers.Conv2D(4, 3, trainable=False)(images)
    trunk = keras.Model(images, x)
    maps = keras.Input(x.shape[1:])
    neck = keras.Model(maps, layers.GlobalMaxPooling2D()(maps))
    module = tf.saved_model.load(saved(tmp_path, trunk, neck))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(module(random_images(), training=True))
    gradients = tape.gradient(loss, module.trainable_variables)
    assert len(gradients) == 2
    assert all(np.any(gradient) for gradient in gradients)


def test_saving_leaves_the_network_as_it_was(parts, tmp_path):
    trunk, neck = parts
    neck.layers[2].trainable = False
    before = [
        [(layer.name, layer.trainable) for layer in (part, *part.layers)]
        for part in parts
    ]
    expected = neck(trunk(random_images()))
    saved(tmp_path, trunk, neck)
    saved(tmp_path, trunk, neck)
    assert before == [
        [(layer.name, layer.trainable) for layer in (part, *part.layers)]
        for part in parts
    ]
    assert not trunk.trainable_variables
    assert len(neck.trainable_variables) == 2
    np.testing.assert_array_equal(neck(trunk(random_images())), expected)


def test_statistics_stand_still_in_inference_and_move_in_training(
    parts, module
):
    trunk, neck = parts
    images = random_images()
    weights = module.trainable_variables
    (statistics,) = [
        variable for variable in module.variables if not variable.trainable
    ]
    before = values(module.variables)
    module(images)
    for value, variable in zip(before, module.variables, strict=True):
        np.testing.assert_array_equal(value, variable)
    trained = values(weights)
    module(images, training=True)
    for value, variable in zip(trained, weights, strict=True):
        np.testing.assert_array_equal(value, variable)
    trunk.trainable = True
    neck(trunk(images, training=True), training=True)
    moved = values(trunk.non_trainable_variables + neck.non_trainable_variables)
    np.testing.assert_allclose(
        statistics.numpy(), np.concatenate(moved), rtol=1e-6
    )


def test_dropout_drops_in_training_only_and_never_twice_the_same(tmp_path):
    trunk, neck = make_parts(dropout=0.5)
    module = tf.saved_model.load(saved(tmp_path, trunk, neck))
    images = random_images()
    np.testing.assert_array_equal(module(images), neck(trunk(images)))
    first = module(images, training=True)
    assert not np.allclose(first, module(images, training=True))
    # Seed and counter of the dropout ride along and are not trained.
    assert num_elements(module.variables) == 315 + 18 + 2
    assert num_elements(module.trainable_variables) == 315


def test_a_network_without_training_behavior_takes_both_values(tmp_path):
    images = keras.Input((SIZE, SIZE, 3))
    trunk = keras.Model(images, layers.Rescaling(2.0)(images))
    maps = keras.Input((SIZE, SIZE, 3))
    x = layers.Dense(2)(layers.Flatten()(maps))
    module = tf.saved_model.load(saved(tmp_path, trunk, keras.Model(maps, x)))
    np.testing.assert_array_equal(
        module(random_images(), training=True),
        module(random_images(), training=False),
    )


def test_a_network_in_bfloat16_gives_float32(tmp_path):
    trunk, neck = make_parts(dtype="mixed_bfloat16")
    images = random_images()
    assert neck(trunk(images)).dtype == tf.bfloat16
    module = tf.saved_model.load(saved(tmp_path, trunk, neck))
    features = module(images)
    assert features.dtype == tf.float32
    expected = tf.cast(neck(trunk(images)), tf.float32)
    # bfloat16 has 8 bits: graph and eager execution round differently, by
    # one of the last or two.
    np.testing.assert_allclose(features, expected, rtol=2**-6)


def test_weight_decay_counts_the_kernels_of_the_neck(tmp_path):
    images = keras.Input((SIZE, SIZE, 3))
    trunk = keras.Model(images, layers.Conv2D(3, 1)(images))
    maps = keras.Input((SIZE, SIZE, 3))
    x = layers.GlobalAveragePooling2D()(maps)
    x = layers.Dense(2, kernel_initializer=keras.initializers.Constant(1))(x)
    x = layers.Dense(1, kernel_initializer=keras.initializers.Constant(2))(x)
    neck = keras.Model(maps, x)
    for layer in neck.layers[2:]:
        layer.bias.assign(np.full(layer.bias.shape, 9.0))
    module = tf.saved_model.load(saved(tmp_path, trunk, neck, 0.02))
    # One function for all kernels: each would cost kilobytes.
    (loss,) = module.regularization_losses
    # 0.02 / 2 * (3 * 2 ones + 2 * 1 twos squared) = 0.01 * (6 + 8)
    assert float(loss()) == pytest.approx(0.14)


def test_no_weight_decay_declares_no_loss(module):
    assert list(module.regularization_losses) == []


def test_fine_tuning_in_hub_on_two_replicas_moves_trunk_and_neck(
    parts, tmp_path
):
    import tensorflow_hub as hub
    import tf_keras

    trunk, neck = parts
    module_dir = str(saved(tmp_path, *parts, weight_decay=0.02))
    with mirrored("CPU:0", "CPU:1").scope():
        layer = hub.KerasLayer(module_dir, trainable=True)
        model = tf_keras.Sequential([layer, tf_keras.layers.Dense(1)])
        model.compile(tf_keras.optimizers.SGD(0.1), "mse")
    before = values(layer.variables)
    batch = tf.data.Dataset.from_tensors((random_images(4), np.ones((4, 1))))
    model.fit(batch, epochs=2, verbose=0)
    assert len(layer.losses) == 1
    for old, new in zip(before, values(layer.variables), strict=True):
        assert not np.array_equal(old, new)
    shapes = {value.shape for value in before}
    kernels = trunk.layers[1].kernel, neck.layers[1].kernel
    assert {tuple(kernel.shape) for kernel in kernels} < shapes


@pytest.fixture(scope="module")
def joined_parts(tmp_path_factory):
    """Trunk, tuned neck, original neck and the folder of their module."""
    trunk, original = make_parts(dropout=0.5)
    neck = keras.models.clone_model(original)
    scramble([neck], seed=5)
    folder = tmp_path_factory.mktemp("joined") / "module"
    save_feature_vector(trunk, neck, SIZE, folder, 0.02, original)
    return trunk, neck, original, folder


@pytest.fixture
def joined(joined_parts):
    """The same, the module loaded anew: tests train it."""
    *parts, folder = joined_parts
    return *parts, tf.saved_model.load(folder)


def test_joined_features_are_both_of_unit_length(joined):
    trunk, neck, original, module = joined
    images = random_images()
    vectors = [part(trunk(images)).numpy() for part in (neck, original)]
    vectors = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in vectors]
    expected = np.concatenate(vectors, axis=1)
    np.testing.assert_allclose(module(images), expected, rtol=1e-5)


def test_joined_features_hold_one_trunk_and_train_one_neck(joined):
    trunk, neck, original, module = joined
    parts = [trunk.variables, neck.variables, original.variables]
    assert num_elements(module.variables) == sum(map(num_elements, parts))
    tuned = num_elements(neck.trainable_variables)
    assert num_elements(module.trainable_variables) == tuned
    kernels = [w.numpy() for w in neck.trainable_variables if w.ndim > 1]
    squares = sum(float(np.sum(np.square(kernel))) for kernel in kernels)
    (loss,) = module.regularization_losses
    assert float(loss()) == pytest.approx(0.01 * squares, rel=1e-5)


def test_training_moves_nothing_of_the_original_features(joined):
    *_, module = joined
    images = random_images()
    before = module(images).numpy()
    trained = module(images, training=True).numpy()
    after = module(images).numpy()
    np.testing.assert_allclose(trained[:, 5:], before[:, 5:], rtol=1e-6)
    np.testing.assert_array_equal(after[:, 5:], before[:, 5:])
    # The tuned neck drops out, and its statistics have moved.
    assert not np.allclose(trained[:, :5], before[:, :5])
    assert not np.allclose(after[:, :5], before[:, :5])


def test_a_vector_of_zeros_stays_one(tmp_path):
    trunk, neck = make_parts()
    neck.set_weights([np.zeros_like(w) for w in neck.get_weights()])
    save_feature_vector(trunk, neck, SIZE, tmp_path / "module", 0, neck)
    features = tf.saved_model.load(tmp_path / "module")(random_images())
    np.testing.assert_array_equal(features, np.zeros((3, 10)))


@pytest.mark.parametrize("training", [False, True])
def test_endpoints_are_given_where_they_are_asked_for(module, training):
    images = random_images()
    ends = module(images, training=training, return_endpoints=True)
    assert set(ends) == {"feature_vector", "feature_map"}
    # 8 pixels, two convolutions of 3x3.
    assert ends["feature_map"].shape == (3, 4, 4, 5)
    mean = tf.reduce_mean(ends["feature_map"], [1, 2])
    np.testing.assert_allclose(ends["feature_vector"], mean, rtol=1e-5)


def test_fc6_is_an_endpoint_where_there_is_one(tmp_path):
    backbone = build_backbone("small_cnn", "fc7", image_size=16, fc6_width=6)
    trunk, neck = backbone.trunk, backbone.neck
    module = tf.saved_model.load(saved(tmp_path, trunk, neck, size=16))
    images = random_images(height=16, width=16)
    ends = module(images, return_endpoints=True)
    np.testing.assert_array_equal(ends["fc6"], trunk(images))
    np.testing.assert_array_equal(ends["feature_vector"], module(images))
    assert ends["feature_map"].shape == (3, 1, 1, 64)


def test_endpoints_come_through_hub(module_dir):
    import tensorflow_hub as hub

    arguments = {"return_endpoints": True}
    layer = hub.KerasLayer(str(module_dir), arguments=arguments)
    assert set(layer(random_images())) == {"feature_vector", "feature_map"}


def test_encoded_pictures_have_a_signature(module):
    pictures = tf.cast(255 * random_images(2, 20, 30), tf.uint8)
    encoded = tf.stack([tf.io.encode_jpeg(picture) for picture in pictures])
    served = module.signatures["serving_jpeg"](encoded=encoded)
    expected = module(decoded(encoded, SIZE))
    np.testing.assert_allclose(served["features"], expected, rtol=1e-6)


def test_bfloat16_rounds_inference_and_nothing_else(parts, tmp_path):
    trunk, neck = parts
    save_feature_vector(
        trunk,
        neck,
        SIZE,
        tmp_path / "module",
        inference_precision="bfloat16",
    )
    module = tf.saved_model.load(tmp_path / "module")
    images = random_images()
    expected = neck(trunk(images))
    features = module(images)
    assert features.dtype == tf.float32
    np.testing.assert_allclose(features, expected, rtol=2**-6)
    assert not np.allclose(features, expected, rtol=1e-5)
    assert {variable.dtype for variable in module.variables} == {tf.float32}
    assert {layer.compute_dtype for layer in trunk.layers} == {"float32"}
    trunk.trainable = True
    np.testing.assert_allclose(
        module(images, training=True),
        neck(trunk(images, training=True), training=True),
        rtol=1e-5,
    )


def test_nothing_in_the_folder_can_be_executed(module_dir):
    files = [path for path in module_dir.rglob("*") if path.is_file()]
    names = {path.name.partition(".data")[0] for path in files}
    assert names == {
        "saved_model.pb",
        "fingerprint.pb",
        "keras.json",
        "variables",
        "variables.index",
    }
    assert not any(path.stat().st_mode & 0o111 for path in files)
    graph = (module_dir / "saved_model.pb").read_bytes()
    assert b"PyFunc" not in graph
