import numpy as np
import pytest

from scn_tf.evaluation.labels import image_targets
from scn_tf.evaluation.labels import object_targets

# Photograph 0: a sure 0, a difficult 0, a difficult 1.
# Photograph 1: nothing.  Photograph 2: a sure 2 and an unknown object.
LABELS = np.array([0, 0, 1, 2, -1])
IMAGE = np.array([0, 0, 0, 2, 2])
DIFFICULT = np.array([False, True, True, False, False])


def test_a_photograph_is_positive_unsure_or_negative_as_in_the_voc_devkit():
    targets = image_targets(LABELS, IMAGE, DIFFICULT, 3, 4)
    assert targets.dtype == np.int8
    np.testing.assert_array_equal(
        targets, [[1, -1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
    )


def test_the_order_of_the_objects_changes_nothing():
    order = np.array([4, 2, 3, 1, 0])
    np.testing.assert_array_equal(
        image_targets(LABELS[order], IMAGE[order], DIFFICULT[order], 3, 4),
        image_targets(LABELS, IMAGE, DIFFICULT, 3, 4),
    )


def test_an_object_is_one_hot_or_left_out_whole():
    targets = object_targets(LABELS, DIFFICULT, 3)
    assert targets.dtype == np.int8
    np.testing.assert_array_equal(
        targets,
        [[1, 0, 0], [-1, -1, -1], [-1, -1, -1], [0, 0, 1], [-1, -1, -1]],
    )


def test_no_objects_give_no_rows_and_empty_photographs():
    none = np.zeros(0, np.int64)
    assert object_targets(none, none.astype(bool), 3).shape == (0, 3)
    targets = image_targets(none, none, none.astype(bool), 2, 3)
    np.testing.assert_array_equal(targets, np.zeros((2, 3)))


@pytest.mark.parametrize("label", [-2, 4])
def test_a_label_outside_the_classes_is_refused_with_its_row(label):
    labels = LABELS.copy()
    labels[3] = label
    with pytest.raises(ValueError, match=rf"object_labels.*{label} at row 3"):
        object_targets(labels, DIFFICULT, 4)


def test_a_photograph_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"object_image.*\[0, 2\).*2 at row"):
        image_targets(LABELS, IMAGE, DIFFICULT, 2, 4)


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="one photograph per object"):
        image_targets(LABELS, IMAGE[:3], DIFFICULT, 3, 4)
    with pytest.raises(ValueError, match=r"must both be \[G\]"):
        object_targets(LABELS, DIFFICULT[:3], 4)
