import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_records import make_record
from small_records import write_records

from tfrecords.errors import InputError
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import crop_patches
from tfrecords.reader import load_patches
from tfrecords.reader import load_pictures
from tfrecords.reader import read_patches

SIZE = 5


def small_graph(folder):
    train = [make_record("train", i, num) for i, num in enumerate([3, 0, 1, 4])]
    val = [make_record("val", i, 2, num_objects=i) for i in range(3)]
    shards = {"train-0": train[:2], "train-1": train[2:], "val-0": val}
    write_records(folder, shards)
    return read_pair_graph(folder, ["train", "val"])


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    return small_graph(tmp_path_factory.mktemp("records"))


def bilinear(image, box, size):
    """Samples the middles of size x size cells, one pixel at a time."""
    patch = np.zeros([size, size, 3])
    y0, x0, y1, x1 = np.float64(box)
    last_row, last_column = image.shape[0] - 1, image.shape[1] - 1
    for i in range(size):
        for j in range(size):
            y = y0 + (i + 0.5) * (y1 - y0) / size - 0.5
            x = x0 + (j + 0.5) * (x1 - x0) / size - 0.5
            for row in (int(np.floor(y)), int(np.floor(y)) + 1):
                for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                    weight = (1 - abs(y - row)) * (1 - abs(x - column))
                    pixel = image[
                        np.clip(row, 0, last_row),
                        np.clip(column, 0, last_column),
                    ]
                    patch[i, j] += weight * pixel
    return patch


def test_a_patch_of_a_ramp_has_the_values_worked_out_by_hand():
    # Pixel x of the ramp is x / 10, so the picture at place x (its pixels'
    # middles lie at x + 0.5) is (x - 0.5) / 10. The box from 2 to 8 has
    # three cells with the middles 3, 5, 7.
    ramp = np.tile(np.arange(10)[np.newaxis, :, np.newaxis] / 10, [6, 1, 3])
    patch = crop_patches(np.float32(ramp), np.float32([[1, 2, 4, 8]]), 3)[0]
    np.testing.assert_allclose(patch[0, :, 0], [0.25, 0.45, 0.65], atol=1e-6)
    # The same across rows: from 1 to 4 the middles are 1.5, 2.5, 3.5.
    ramp = np.swapaxes(ramp, 0, 1)
    patch = crop_patches(np.float32(ramp), np.float32([[1, 2, 4, 5]]), 3)[0]
    np.testing.assert_allclose(patch[:, 0, 0], [0.1, 0.2, 0.3], atol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 16])
def test_patches_equal_a_pixel_by_pixel_sampler(size):
    rng = np.random.default_rng(0)
    image = rng.uniform(size=[13, 17, 3]).astype(np.float32)
    boxes = np.float32(
        [
            [0, 0, 13, 17],  # the whole picture
            [0, 0, 2, 2],  # a corner, enlarged
            [11.5, 15, 13, 17],  # the opposite corner
            [4, 5, 5, 6],  # one pixel
            [3.3, 2.7, 9.1, 14.2],
            [6.25, 0, 6.5, 17],  # thinner than a pixel
        ]
    )
    patches = crop_patches(image, boxes, size)
    assert patches.shape == (6, size, size, 3)
    for patch, box in zip(patches, boxes, strict=True):
        np.testing.assert_allclose(patch, bilinear(image, box, size), atol=1e-5)


def test_a_box_of_as_many_pixels_as_the_patch_is_copied():
    image = np.random.default_rng(1).integers(0, 256, [9, 9, 3], np.uint8)
    patch = crop_patches(image, np.float32([[2, 0, 7, 5]]), 5)[0]
    np.testing.assert_allclose(patch, image[2:7, :5] / 255.0, atol=1e-5)


def test_the_whole_picture_resizes_as_tensorflow_resizes_it():
    image = np.random.default_rng(2).uniform(size=[12, 9, 3])
    patch = crop_patches(np.float32(image), np.float32([[0, 0, 12, 9]]), 20)
    wanted = tf.image.resize(np.float32(image), [20, 20])
    np.testing.assert_allclose(patch[0], wanted, atol=1e-5)


def test_bytes_and_fractions_give_the_same_patches():
    image = np.random.default_rng(3).integers(0, 256, [8, 8, 3], np.uint8)
    boxes = np.float32([[1, 1, 6.5, 7]])
    np.testing.assert_allclose(
        crop_patches(image, boxes, 4),
        crop_patches(np.float32(image / 255.0), boxes, 4),
        atol=1e-6,
    )


def test_no_boxes_are_no_patches():
    image = np.zeros([8, 8, 3], np.uint8)
    assert crop_patches(image, np.zeros([0, 4]), 4).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        ("proposals", [3, 0, 1, 4, 2, 2, 2]),
        ("objects", [1, 1, 1, 1, 0, 1, 2]),
        ("images", [1] * 7),
    ],
)
def test_every_image_gives_its_patches_in_order(graph, kind, numbers):
    dataset = read_patches(graph, kind, SIZE)
    assert dataset.element_spec.shape.as_list() == [None, SIZE, SIZE, 3]
    patches = list(dataset.as_numpy_iterator())
    assert [len(of_image) for of_image in patches] == numbers


def test_patches_come_from_the_picture_and_the_box_they_should(graph):
    records = [make_record("train", i, num) for i, num in [(0, 3), (3, 4)]]
    patches = list(read_patches(graph, "proposals", SIZE).as_numpy_iterator())
    objects = list(read_patches(graph, "objects", SIZE).as_numpy_iterator())
    whole = list(read_patches(graph, "images", SIZE).as_numpy_iterator())
    for index, record in zip([0, 3], records, strict=True):
        image = np.asarray(Image.open(io.BytesIO(record.encoded))) / 255.0
        for found, boxes in (
            (patches[index], record.proposal_boxes),
            (objects[index], record.object_boxes),
            (whole[index], [[0, 0, record.height, record.width]]),
        ):
            for patch, box in zip(found, boxes, strict=True):
                # Two decoders differ by one or two of 255 levels.
                np.testing.assert_allclose(
                    patch, bilinear(image, box, SIZE), atol=0.02
                )


def test_an_unknown_kind_is_refused(graph):
    with pytest.raises(ValueError, match="'proposals', 'objects', 'images'"):
        read_patches(graph, "pairs", SIZE)


@pytest.mark.parametrize(
    "wanted", [np.arange(14), [0, 2, 3, 9, 13], [5], []], ids=len
)
def test_patches_by_index_are_the_rows_of_all_bit_for_bit(graph, wanted):
    wanted = np.array(wanted, np.int64)
    dataset = read_patches(graph, "proposals", SIZE)
    rows = np.concatenate(list(dataset.as_numpy_iterator()))
    loaded = load_patches(graph, wanted, SIZE)
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, rows[wanted])


def test_patches_by_index_are_loaded_inside_tf_data(graph):
    batches = [[1, 2], [0, 7], [8, 13]]
    dataset = tf.data.Dataset.from_tensor_slices(np.int64(batches)).map(
        lambda patches: tf.numpy_function(
            lambda wanted: load_patches(graph, wanted, SIZE),
            [patches],
            tf.float32,
        ),
        num_parallel_calls=2,
    )
    for wanted, loaded in zip(batches, dataset, strict=True):
        np.testing.assert_array_equal(
            loaded, load_patches(graph, np.array(wanted), SIZE)
        )


def test_pictures_by_index_are_the_stored_ones(graph):
    pictures = load_pictures(graph, np.array([3, 0]))
    for picture, (index, number) in zip(
        pictures, [(3, 4), (0, 3)], strict=True
    ):
        encoded = make_record("train", index, number).encoded
        wanted = np.asarray(Image.open(io.BytesIO(encoded)), np.int16)
        assert picture.dtype == np.uint8
        # Two decoders differ by a few of 255 levels.
        np.testing.assert_allclose(picture, wanted, atol=5)


def test_a_record_cut_off_since_is_refused(tmp_path):
    graph = small_graph(tmp_path)
    with open(graph.shard_paths[0], "r+b") as file:
        file.truncate(40)
    with pytest.raises(InputError, match="ends within the record of train-0"):
        load_patches(graph, np.array([0]), SIZE)


@pytest.mark.parametrize("wanted", [[3, 2], [2, 2], [0, 5, 4, 9]])
def test_indices_that_do_not_rise_strictly_are_refused(graph, wanted):
    with pytest.raises(ValueError, match="must rise strictly.*np.unique"):
        load_patches(graph, np.array(wanted), SIZE)
