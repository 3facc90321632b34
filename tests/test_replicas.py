"""Fine-tuning on two replicas, in a process of its own."""

import numpy as np
import pytest
from foreign_module import save_foreign_module

from export.consumers import hub_layer
from export.consumers.consumer import ConsumerError

IMAGES = np.random.default_rng(0).random((4, 6, 5, 3), dtype=np.float32)


def test_both_replicas_learn_alike(tmp_path):
    folder = save_foreign_module(tmp_path / "module")
    consumed = hub_layer.two_replicas(folder, IMAGES, tmp_path)
    wanted = IMAGES.mean(axis=(1, 2)) @ np.ones((3, 2), np.float32)
    np.testing.assert_allclose(consumed.features, wanted, rtol=1e-6)
    assert consumed.note == "1 of 1 weights moved, alike on both"


def test_what_is_wrong_is_one_line(tmp_path):
    folder = save_foreign_module(tmp_path / "module", penalty=False, scale=0.0)
    with pytest.raises(ConsumerError, match="^no weight was moved"):
        hub_layer.two_replicas(folder, IMAGES, tmp_path)
