"""Laws of the pictures of a run."""

import numpy as np
from tiny import tiny_graph

from scn_tf.pictures import _unique_epochs
from scn_tf.pictures import nearest_patches


def test_the_nearest_patch_is_the_one_with_the_predicted_feature():
    graph = tiny_graph()
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(24, 6)).astype(np.float32)
    wanted = np.array([3, 17, 8])
    sources = np.array([0, 1, 2])
    nearest, distances = nearest_patches(
        targets[wanted] + 1e-3, targets, graph, sources
    )
    np.testing.assert_array_equal(nearest[:, 0], wanted)
    assert (np.diff(distances, axis=1) >= 0).all()
    # sqrt(6 * 1e-6)
    np.testing.assert_allclose(distances[:, 0], 2.45e-3, rtol=0.1)


def test_the_source_is_not_its_own_neighbor():
    targets = np.eye(24, dtype=np.float32)
    sources = np.array([5])
    nearest, _ = nearest_patches(targets[[5]], targets, tiny_graph(), sources)
    assert 5 not in nearest


def test_a_small_graph_has_fewer_neighbors():
    graph = tiny_graph(num_images=1, boxes_per_image=3)
    targets = np.eye(3, dtype=np.float32)
    nearest, _ = nearest_patches(targets[[1]], targets, graph, np.array([0]))
    assert nearest.tolist() == [[1, 2]]


def test_an_epoch_run_twice_is_drawn_once():
    line = {"epoch": 1, "loss": 2.0, "val_loss": 3.0, "val_floor": 4.0}
    (drawn,) = _unique_epochs([line, {**line, "loss": 1.0}])
    assert drawn == {"epoch": 1, "loss": 1.0, "val_loss": 3.0, "floor": 4.0}
