"""Figure 5: the pair and the classes that are drawn belong together."""

import types

import numpy as np
from tiny import tiny_graph

from scn_tf.experiments import context_sheet
from scn_tf.experiments.context_sheet import draw_context


def test_titles_and_boxes_are_those_of_the_pair(monkeypatch, tmp_path):
    graph = tiny_graph(num_images=12)
    run = types.SimpleNamespace(
        config=types.SimpleNamespace(seed=0),
        manifest=types.SimpleNamespace(classes=("cat", "dog")),
    )
    pairs = graph.pairs
    # Neither class can be known from the photograph.
    true, said = np.random.default_rng(3).integers(2, size=(2, len(pairs)))
    drawn = {}

    def keep(images, boxes, path, titles):
        drawn.update(images=images, boxes=boxes, path=path, titles=titles)

    monkeypatch.setattr(context_sheet.visualize, "draw_pairs", keep)
    monkeypatch.setattr(context_sheet, "load_picture", lambda _, index: index)
    draw_context(run, graph, pairs, true, said, tmp_path / "a.png")
    assert drawn["path"] == tmp_path / "a.png"
    assert len(set(drawn["images"])) == 9
    names = ("cat", "dog")
    titles = set()
    for index, boxes, title in zip(
        drawn["images"], drawn["boxes"], drawn["titles"], strict=True
    ):
        is_shown = (graph.boxes[pairs] == np.array(boxes[0])).all(axis=(1, 2))
        (row,) = np.flatnonzero(
            is_shown & (graph.patch_image[pairs[:, 0]] == index)
        )
        told, is_true = names[said[row]], names[true[row]]
        right = f"{told}: right"
        assert title == (right if told == is_true else f"{told}, is {is_true}")
        titles.add(title)
    assert len(titles) == 4


def test_a_picture_is_written(restored_run, tmp_path):
    run = restored_run
    graph = run.graph(("val",))
    true = graph.labels[graph.pairs[:, 1]]
    path = tmp_path / "context.png"
    draw_context(run, graph, graph.pairs, true, true[::-1], path)
    assert path.read_bytes()[:4] == b"\x89PNG"
