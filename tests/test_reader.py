import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_records import make_record
from small_records import write_records

from tfrecords import reader
from tfrecords.errors import InputError
from tfrecords.pair_graph import read_pair_graph
from tfrecords.reader import crop_patches
from tfrecords.reader import image_order
from tfrecords.reader import load_patches
from tfrecords.reader import load_picture
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
    """Samples the middles of size x size cells of a box of whole pixels."""
    y0, x0, y1, x1 = np.round(box).astype(int)
    y1, x1 = max(y1, y0 + 1), max(x1, x0 + 1)
    crop = np.float64(image[y0:y1, x0:x1])
    patch = np.zeros([size, size, 3])
    for i in range(size):
        for j in range(size):
            y = (i + 0.5) * (y1 - y0) / size - 0.5
            x = (j + 0.5) * (x1 - x0) / size - 0.5
            for row in (int(np.floor(y)), int(np.floor(y)) + 1):
                for column in (int(np.floor(x)), int(np.floor(x)) + 1):
                    weight = (1 - abs(y - row)) * (1 - abs(x - column))
                    pixel = crop[
                        np.clip(row, 0, y1 - y0 - 1),
                        np.clip(column, 0, x1 - x0 - 1),
                    ]
                    patch[i, j] += weight * pixel
    return patch


def test_a_patch_of_a_ramp_has_the_values_worked_out_by_hand():
    # Pixel x of the ramp is 20 x, its middle lies at x + 0.5, so the picture
    # at place x is 20 (x - 0.5). The box from 2 to 8 has four cells of 1.5
    # pixels with the middles 2.75, 4.25, 5.75, 7.25.
    ramp = np.tile(20 * np.arange(10)[np.newaxis, :, np.newaxis], [6, 1, 3])
    ramp = ramp.astype(np.uint8)
    patch = crop_patches(ramp, np.float32([[1, 2, 5, 8]]), 4)[0]
    assert patch[0, :, 0].tolist() == [45, 75, 105, 135]
    # The same across rows.
    ramp = np.swapaxes(ramp, 0, 1).copy()
    patch = crop_patches(ramp, np.float32([[2, 1, 8, 5]]), 4)[0]
    assert patch[:, 0, 0].tolist() == [45, 75, 105, 135]


@pytest.mark.parametrize("size", [9, 16, 31])
def test_patches_equal_a_pixel_by_pixel_sampler(size):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, [13, 17, 3], np.uint8)
    boxes = np.float32(
        [
            [0, 0, 13, 17],  # the whole picture
            [0, 0, 2, 2],  # a corner, enlarged
            [11.6, 15, 13, 17],  # the opposite corner
            [4, 5, 5, 6],  # one pixel
            [3.3, 2.7, 9.1, 14.2],
            [6.25, 0, 6.4, 17],  # thinner than a pixel
            [12.8, 16.9, 13, 17],  # rounds to nothing at the border
        ]
    )
    patches = crop_patches(image, boxes, size)
    assert patches.shape == (7, size, size, 3) and patches.dtype == np.uint8
    wanted = boxes.copy()
    wanted[-1] = 12, 16, 13, 17
    for patch, box in zip(patches, wanted, strict=True):
        # OpenCV interpolates bytes in fixed point.
        np.testing.assert_allclose(patch, bilinear(image, box, size), atol=1.1)


def test_a_box_of_as_many_pixels_as_the_patch_is_copied():
    image = np.random.default_rng(1).integers(0, 256, [9, 9, 3], np.uint8)
    patch = crop_patches(image, np.float32([[2, 0, 7, 5]]), 5)[0]
    np.testing.assert_array_equal(patch, image[2:7, :5])


def test_a_box_shrunk_to_less_than_half_is_averaged():
    # A chessboard of pixels: every sample is the mean of black and white.
    board = np.indices([40, 40]).sum(axis=0) % 2 * 255
    board = np.repeat(board[..., np.newaxis], 3, axis=-1).astype(np.uint8)
    patch = crop_patches(board, np.float32([[0, 0, 40, 40]]), 4)[0]
    np.testing.assert_allclose(patch, 127.5, atol=0.6)


def test_no_boxes_are_no_patches():
    image = np.zeros([8, 8, 3], np.uint8)
    assert crop_patches(image, np.zeros([0, 4]), 4).shape == (0, 4, 4, 3)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_workers_share_the_images_of_an_epoch(graph, num_workers):
    shares = [
        image_order(graph, 5, 2, w, num_workers) for w in range(num_workers)
    ]
    assert sorted(np.concatenate(shares)) == list(range(7))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1
    again = image_order(graph, 5, 2, num_workers - 1, num_workers)
    np.testing.assert_array_equal(again, shares[-1])


def test_seed_and_epoch_decide_the_order(graph):
    orders = [image_order(graph, s, e) for s, e in [(0, 0), (0, 1), (1, 0)]]
    assert len({tuple(order) for order in orders}) == 3


def test_reading_goes_on_at_any_image(graph):
    order = image_order(graph, 0, 0)
    whole = concatenated(read_patches(graph, "proposals", SIZE, order))
    counts = np.bincount(graph.patch_image, minlength=7)[order]
    for done in range(7):
        rest = read_patches(graph, "proposals", SIZE, order[done:])
        np.testing.assert_array_equal(
            concatenated(rest), whole[counts[:done].sum() :]
        )


@pytest.mark.parametrize("kind", ["proposals", "objects", "images"])
def test_some_rows_are_those_of_all(graph, kind):
    whole = concatenated(read_patches(graph, kind, SIZE))
    for start in range(len(whole)):
        for stop in range(start + 1, len(whole) + 1):
            rows = range(start, stop)
            some = concatenated(read_patches(graph, kind, SIZE, rows=rows))
            np.testing.assert_array_equal(some, whole[start:stop])


def test_images_without_wanted_rows_are_not_read(graph, monkeypatch):
    read = []
    load = reader.load_picture

    def load_and_tell(graph, image):
        read.append(image)
        return load(graph, image)

    monkeypatch.setattr(reader, "load_picture", load_and_tell)
    # Images have 3, 0, 1, 4, 2, 2 and 2 proposals.
    concatenated(read_patches(graph, "proposals", SIZE, rows=range(3, 5)))
    assert sorted(read) == [2, 3]


def concatenated(dataset):
    return np.concatenate(list(dataset.as_numpy_iterator()))


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
    whole = concatenated(dataset)
    assert whole.dtype == np.uint8 and len(whole) == sum(numbers)
    for image, (number, end) in enumerate(
        zip(numbers, np.cumsum(numbers), strict=True)
    ):
        (of_image,) = read_patches(graph, kind, SIZE, np.array([image]))
        np.testing.assert_array_equal(of_image, whole[end - number : end])


def test_patches_come_from_the_picture_and_the_box_they_should(graph):
    for index, image_index, number in [(0, 0, 3), (3, 3, 4)]:
        record = make_record("train", index, number)
        image = np.asarray(Image.open(io.BytesIO(record.encoded)))
        for kind, boxes in (
            ("proposals", record.proposal_boxes),
            ("objects", record.object_boxes),
            ("images", [[0, 0, record.height, record.width]]),
        ):
            found = concatenated(
                read_patches(graph, kind, 60, np.array([image_index]))
            )
            for patch, box in zip(found, boxes, strict=True):
                # Two decoders differ by a few of 255 levels.
                np.testing.assert_allclose(
                    patch, bilinear(image, box, 60), atol=6
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
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, rows[wanted])


def test_patches_by_index_are_loaded_inside_tf_data(graph):
    batches = [[1, 2], [0, 7], [8, 13]]
    dataset = tf.data.Dataset.from_tensor_slices(np.int64(batches)).map(
        lambda patches: tf.numpy_function(
            lambda wanted: load_patches(graph, wanted, SIZE),
            [patches],
            tf.uint8,
        ),
        num_parallel_calls=2,
    )
    for wanted, loaded in zip(batches, dataset, strict=True):
        np.testing.assert_array_equal(
            loaded, load_patches(graph, np.array(wanted), SIZE)
        )


def test_pictures_by_index_are_the_stored_ones(graph):
    for index, number in [(3, 4), (0, 3)]:
        picture = load_picture(graph, index)
        encoded = make_record("train", index, number).encoded
        wanted = np.asarray(Image.open(io.BytesIO(encoded)), np.int16)
        assert picture.dtype == np.uint8
        # Two decoders differ by a few of 255 levels.
        np.testing.assert_allclose(picture, wanted, atol=5)


def test_a_record_cut_off_since_is_refused(tmp_path):
    graph = small_graph(tmp_path)
    with open(graph.shard_paths[0], "r+b") as file:
        file.truncate(40)
    with pytest.raises(InputError, match="damaged at byte 0: the file ends"):
        load_patches(graph, np.array([0]), SIZE)


@pytest.mark.parametrize("wanted", [[3, 2], [2, 2], [0, 5, 4, 9]])
def test_indices_that_do_not_rise_strictly_are_refused(graph, wanted):
    with pytest.raises(ValueError, match="must rise strictly.*np.unique"):
        load_patches(graph, np.array(wanted), SIZE)


def test_a_record_damaged_since_ends_the_reading_with_its_name(tmp_path):
    graph = small_graph(tmp_path)
    with open(graph.shard_paths[1], "r+b") as file:
        file.seek(200)
        file.write(b"damage")
    dataset = read_patches(graph, "proposals", SIZE)
    with pytest.raises(tf.errors.OpError, match="train-1 is damaged at byte 0"):
        list(dataset)


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    record = make_record("train", 0, 2)
    record = dataclasses.replace(record, encoded=b"no picture")
    write_records(tmp_path, {"train-0": [record]})
    graph = read_pair_graph(tmp_path, ["train"])
    with pytest.raises(InputError, match="train-0, at byte 0, train-0: OpenCV"):
        load_patches(graph, np.array([0]), SIZE)


def test_a_picture_of_another_size_than_stated_is_named(tmp_path):
    record = dataclasses.replace(make_record("train", 0, 2), height=99)
    write_records(tmp_path, {"train-0": [record]})
    graph = read_pair_graph(tmp_path, ["train"])
    with pytest.raises(InputError, match=r"has \(40, 60\) .*\(99, 60\) are"):
        load_patches(graph, np.array([0]), SIZE)
