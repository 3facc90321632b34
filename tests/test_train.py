"""Laws of the training loop."""

import dataclasses
import json
import os
import signal

import keras
import numpy as np
import pytest
from tiny import mirrored
from tiny import tiny_backbone
from tiny import tiny_graph
from tiny import tiny_head

from scn_tf import inputs
from scn_tf.backbones import frozen_copy
from scn_tf.batches import batch_dataset
from scn_tf.batches import PairSampler
from scn_tf.batches import Shares
from scn_tf.checkpoint import Checkpoints
from scn_tf.chunks import take
from scn_tf.feature_cache import FeatureCache
from scn_tf.inputs import cached_inputs
from scn_tf.inputs import live_inputs
from scn_tf.interrupt import TrainingStopped
from scn_tf.optimizer import make_optimizer
from scn_tf.pace import PaceOptions
from scn_tf.pair_model import cached_pair_model
from scn_tf.pair_model import forward_of
from scn_tf.pair_model import live_pair_model
from scn_tf.recipe import TrainOptions
from scn_tf.run_log import RunLog
from scn_tf.step import make_gradients
from scn_tf.train import train
from scn_tf.train import Training
from tfrecords.errors import InputError

GRAPH = tiny_graph(num_images=5)  # 30 pairs
BATCH_PAIRS = 7  # uneven on two replicas: 4 and 3
PATCHES = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3))
PATCHES = PATCHES.astype(np.uint8)
IMAGES = np.float32(PATCHES / 255)
OPTIONS = TrainOptions(epochs=2, learning_rate=0.01)
PACE = PaceOptions()


class Learner:
    """A tiny network and what trains it."""

    def __init__(
        self,
        run_dir,
        devices=("CPU:0",),
        options=OPTIONS,
        live=False,
        batch_pairs=BATCH_PAIRS,
        pace=PACE,
    ):
        self.run_dir, self.options, self.pace = run_dir, options, pace
        run_dir.mkdir(exist_ok=True)
        strategy = mirrored(*devices)
        with strategy.scope():
            self.backbone = tiny_backbone()
            self.top = frozen_copy(self.backbone.neck)
            self.head = tiny_head()
            self.optimizer = make_optimizer(options, len(devices))
            if live:
                model = live_pair_model(self.backbone, self.top, self.head)
            else:
                model = cached_pair_model(self.backbone.neck, self.head)
        maps = self.backbone.trunk(IMAGES)
        self.cache = FeatureCache(maps.numpy(), self.top(maps).numpy())
        sampler = PairSampler(GRAPH, batch_pairs)
        fill = live_inputs(GRAPH, 8) if live else cached_inputs(self.cache)
        shares = Shares(strategy.num_replicas_in_sync, options.accumulate)
        self.training = Training(
            forward=forward_of(model),
            head=self.head.trainable_variables,
            neck=self.backbone.neck.trainable_variables,
            optimizer=self.optimizer,
            strategy=strategy,
            batches=lambda chunks: strategy.distribute_datasets_from_function(
                lambda _: batch_dataset(sampler, fill, chunks, shares)
            ),
            steps_per_epoch=sampler.steps_per_epoch,
            batch_pairs=batch_pairs,
            floor=1.0,
            check=self.check,
        )

    def check(self):
        return {"loss": 1.0, "over_floor": 1.0, "permuted": 1.0}

    def fit(self) -> list[np.ndarray]:
        checkpoints = Checkpoints(
            self.run_dir / "checkpoints",
            self.backbone.neck,
            self.head,
            self.optimizer,
        )
        log = RunLog(self.run_dir)
        train(self.training, self.options, self.pace, checkpoints, log)
        return self.trained()

    def trained(self) -> list[np.ndarray]:
        variables = self.training.head + self.training.neck
        return [variable.numpy() for variable in variables]


def assert_equal_weights(first, second, atol=0.0):
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_training_lowers_the_loss(tmp_path):
    options = TrainOptions(epochs=30, learning_rate=0.01)
    Learner(tmp_path, options=options).fit()
    epochs = RunLog(tmp_path).history("epoch")
    assert [line["epoch"] for line in epochs] == list(range(1, 31))
    assert epochs[-1]["loss"] < 0.7 * epochs[0]["loss"]


@pytest.fixture(autouse=True)
def patches_in_memory(monkeypatch):
    """Live training without records on disk."""
    monkeypatch.setattr(
        inputs, "load_patches", lambda graph, nodes, size: PATCHES[nodes]
    )


@pytest.mark.parametrize(
    ("live", "batch_pairs"),
    [(False, BATCH_PAIRS), (True, BATCH_PAIRS), (False, 1)],
    ids=["cached", "live", "one pair: a replica without any"],
)
def test_two_replicas_learn_what_one_learns(tmp_path, live, batch_pairs):
    kind = {"live": live, "batch_pairs": batch_pairs}
    one = Learner(tmp_path / "one", **kind).fit()
    two = Learner(tmp_path / "two", ("CPU:0", "CPU:1"), **kind).fit()
    assert_equal_weights(one, two, atol=1e-6)
    losses = [
        [line["loss"] for line in RunLog(tmp_path / name).history("epoch")]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_clipping_is_of_the_global_gradient_on_any_number_of_replicas(
    tmp_path,
):
    options = TrainOptions(epochs=2, learning_rate=0.01, clip_norm=0.05)
    one = Learner(tmp_path / "one", options=options).fit()
    two = Learner(tmp_path / "two", ("CPU:0", "CPU:1"), options).fit()
    free = Learner(tmp_path / "free").fit()
    assert_equal_weights(one, two, atol=1e-6)
    assert np.abs(one[0] - free[0]).max() > 1e-3


@pytest.mark.parametrize("live", [False, True], ids=["cached", "live"])
def test_top_stream_and_trunk_and_statistics_do_not_move(tmp_path, live):
    learner = Learner(tmp_path, live=live)
    parts = (learner.backbone.trunk, learner.top)
    statistics = learner.backbone.neck.non_trainable_variables
    before = [w.numpy() for part in parts for w in part.weights]
    before += [w.numpy() for w in statistics]
    neck = [w.numpy() for w in learner.training.neck]
    learner.fit()
    after = [w.numpy() for part in parts for w in part.weights]
    after += [w.numpy() for w in statistics]
    assert_equal_weights(before, after)
    moved = [
        np.abs(w.numpy() - old).max()
        for w, old in zip(learner.training.neck, neck, strict=True)
    ]
    assert min(moved) > 0


def test_a_resumed_run_is_the_unbroken_run(tmp_path):
    options = TrainOptions(epochs=4, learning_rate=0.01)
    unbroken = Learner(tmp_path / "unbroken", options=options).fit()
    Learner(tmp_path / "resumed").fit()  # two epochs
    resumed = Learner(tmp_path / "resumed", options=options).fit()
    assert_equal_weights(unbroken, resumed)
    epochs = RunLog(tmp_path / "resumed").history("epoch")
    assert [line["epoch"] for line in epochs] == [1, 2, 3, 4]


def test_a_finished_run_is_not_trained_further(tmp_path):
    first = Learner(tmp_path).fit()
    lines = (tmp_path / "metrics.jsonl").read_text()
    assert_equal_weights(first, Learner(tmp_path).fit())
    assert (tmp_path / "metrics.jsonl").read_text() == lines


def test_the_held_neck_stays_while_the_head_learns(tmp_path):
    options = TrainOptions(epochs=1, learning_rate=0.01, head_epochs=1)
    learner = Learner(tmp_path, options=options)
    head = [w.numpy() for w in learner.training.head]
    neck = [w.numpy() for w in learner.training.neck]
    learner.fit()
    assert_equal_weights(neck, [w.numpy() for w in learner.training.neck])
    assert np.abs(learner.training.head[0].numpy() - head[0]).max() > 0


def test_weight_decay_is_added_to_the_gradient_before_momentum(tmp_path):
    """Two steps by hand: v <- m v - lr (g + d w), w <- w + v."""
    options = TrainOptions(
        epochs=1, learning_rate=0.01, momentum=0.9, weight_decay=0.1
    )
    learner = Learner(tmp_path, options=options)
    variables = learner.training.head + learner.training.neck
    bare = TrainOptions(weight_decay=0.0)
    gradients_of = make_gradients(learner.training.forward, bare)
    dataset = batch_dataset(
        PairSampler(GRAPH, BATCH_PAIRS),
        cached_inputs(learner.cache),
        [range(4)],
    )
    values = [variable.numpy() for variable in variables]
    start = [value.copy() for value in values]
    speed = [np.zeros_like(value) for value in values]
    (chunk,) = dataset
    for step in range(4):
        batch = take(chunk, step)
        _, gradients = gradients_of([batch], [v.value for v in variables])
        for index, gradient in enumerate(gradients):
            pull = gradient.numpy() + 0.1 * values[index]
            speed[index] = 0.9 * speed[index] - 0.01 * pull
            values[index] = values[index] + speed[index]
            variables[index].assign(values[index])
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    assert_equal_weights(learner.fit(), values, atol=1e-5)


def test_a_compiled_step_learns_what_a_plain_one_learns(tmp_path):
    compiled = TrainOptions(epochs=2, learning_rate=0.01, jit_compile=True)
    one = Learner(tmp_path / "one").fit()
    other = Learner(tmp_path / "other", options=compiled).fit()
    assert_equal_weights(one, other, atol=1e-5)


@pytest.mark.parametrize("devices", [("CPU:0",), ("CPU:0", "CPU:1")], ids=len)
@pytest.mark.parametrize(
    "options",
    [{}, {"clip_norm": 0.05}, {"loss_reduction": "mean"}],
    ids=["sum", "clipped", "mean"],
)
def test_accumulated_gradients_are_those_of_the_whole_batch(
    tmp_path, devices, options
):
    whole = dataclasses.replace(OPTIONS, **options)
    parts = dataclasses.replace(whole, accumulate=3)
    one = Learner(tmp_path / "one", options=whole).fit()
    other = Learner(tmp_path / "other", devices, parts).fit()
    assert_equal_weights(one, other, atol=1e-6)


@pytest.mark.parametrize("steps_per_call", [1, 3, 100])
def test_the_number_of_steps_per_call_changes_no_bit(tmp_path, steps_per_call):
    one = Learner(tmp_path / "one").fit()
    pace = PaceOptions(steps_per_call=steps_per_call)
    other = Learner(tmp_path / "other", pace=pace).fit()
    assert_equal_weights(one, other)
    lines = [
        [line["loss"] for line in RunLog(tmp_path / name).history("epoch")]
        for name in ("one", "other")
    ]
    assert lines[0] == lines[1]


def test_a_compiled_step_runs_on_two_replicas(tmp_path):
    options = TrainOptions(epochs=1, learning_rate=0.01, jit_compile=True)
    two = Learner(tmp_path / "two", ("CPU:0", "CPU:1"), options).fit()
    one = Learner(tmp_path / "one", options=options).fit()
    assert_equal_weights(one, two, atol=1e-5)


def test_a_loss_that_is_no_number_stops_and_says_what_to_try(tmp_path):
    options = TrainOptions(epochs=9, learning_rate=1e30)
    pace = PaceOptions(save_every="1", steps_per_call=100)
    learner = Learner(tmp_path, options=options, pace=pace)
    with pytest.raises(InputError, match="at step 2.*lower --learning_rate"):
        learner.fit()
    # Only the first step came to a number, so nothing later was saved.
    saved = {path.name for path in (tmp_path / "checkpoints").glob("*.index")}
    assert saved <= {"ckpt-1.index"}


def test_an_epoch_that_ends_in_an_explosion_is_not_saved(tmp_path):
    class Explodes(Learner):
        checks = 0

        def check(self):
            self.checks += 1  # at the start, and after each epoch
            loss = 1e9 if self.checks == 3 else 1.0
            return {"loss": loss, "over_floor": loss, "permuted": loss}

    options = TrainOptions(epochs=2, learning_rate=0.01)
    with pytest.raises(InputError, match="became 1e[+]09 at step 8"):
        Explodes(tmp_path, options=options).fit()
    saved = {path.name for path in (tmp_path / "checkpoints").glob("*.index")}
    assert saved == {"ckpt-4.index"}


def test_what_is_continued_is_held_to_the_loss_it_began_with(tmp_path):
    class Worse(Learner):
        def check(self):
            return {"loss": 2e3, "over_floor": 2e3, "permuted": 2e3}

    Learner(tmp_path, options=TrainOptions(epochs=1, learning_rate=0.01)).fit()
    options = TrainOptions(epochs=2, learning_rate=0.01)
    with pytest.raises(InputError, match="became 2000 at step 8; the floor is"):
        Worse(tmp_path, options=options).fit()


def test_a_loss_that_explodes_stops_before_it_is_no_number(tmp_path):
    options = TrainOptions(epochs=9, learning_rate=30.0, momentum=0.0)
    with pytest.raises(InputError, match=r"became [\d.e+]+ at step \d+; "):
        Learner(tmp_path, options=options).fit()


class StopsSoon(Learner):
    """Gets a signal before its first call."""

    def __init__(self, run_dir, **kwargs):
        super().__init__(run_dir, **kwargs)
        batches = self.training.batches

        def interrupting(chunks):
            if len(chunks) > 1:  # one step is for the norms
                os.kill(os.getpid(), signal.SIGTERM)
            return batches(chunks)

        self.training = dataclasses.replace(self.training, batches=interrupting)


def test_a_signal_saves_the_step_and_the_run_goes_on_without_a_seam(tmp_path):
    options = TrainOptions(epochs=3, learning_rate=0.01)
    unbroken = Learner(tmp_path / "unbroken", options=options).fit()
    pace = PaceOptions(steps_per_call=3)  # an epoch has four steps
    broken = tmp_path / "broken"
    with pytest.raises(TrainingStopped, match="SIGTERM ended .* after step 3"):
        StopsSoon(broken, options=options, pace=pace).fit()
    with pytest.raises(TrainingStopped, match="after step 4"):
        StopsSoon(broken, options=options, pace=pace).fit()
    resumed = Learner(broken, options=options, pace=pace).fit()
    assert_equal_weights(unbroken, resumed)
    lines = [
        RunLog(tmp_path / n).history("epoch") for n in ("unbroken", "broken")
    ]
    for one, other in zip(*lines, strict=True):
        for name in ("step", "epoch", "loss", "gradients_head", "weights_neck"):
            assert one[name] == other[name], name


def test_a_signal_in_the_last_call_is_not_forgotten(tmp_path):
    class StopsLate(Learner):
        checks = 0

        def check(self):
            self.checks += 1  # at the start, and after the only epoch
            if self.checks == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().check()

    options = TrainOptions(epochs=1, learning_rate=0.01)
    with pytest.raises(TrainingStopped, match="ended the run after its train"):
        StopsLate(tmp_path, options=options).fit()
    assert (tmp_path / "checkpoints" / "ckpt-4.index").is_file()


def test_an_epoch_at_whose_end_a_signal_came_is_shown(tmp_path):
    options = TrainOptions(epochs=3, learning_rate=0.01)
    pace = PaceOptions(steps_per_call=4)  # an epoch
    learner = StopsSoon(tmp_path, options=options, pace=pace)
    shown = []
    learner.training = dataclasses.replace(learner.training, show=shown.append)
    with pytest.raises(TrainingStopped, match="after step 4"):
        learner.fit()
    assert shown == [0, 4]


@pytest.mark.parametrize(
    "save_every", [pytest.param("1", marks=pytest.mark.slow), "3"]
)
def test_a_run_killed_after_any_save_is_the_unbroken_run(tmp_path, save_every):
    options = TrainOptions(epochs=3, learning_rate=0.01)
    unbroken = Learner(tmp_path / "unbroken", options=options).fit()
    folder = tmp_path / "killed"
    saved = []

    class KilledError(Exception):
        pass

    really_save = Checkpoints.save

    def save_and_die(self, step, total=0.0):
        really_save(self, step, total)
        if step not in saved:
            saved.append(step)
            raise KilledError

    while True:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Checkpoints, "save", save_and_die)
                pace = PaceOptions(save_every)
                learner = Learner(folder, options=options, pace=pace)
                weights = learner.fit()
            break
        except KilledError:
            continue
    assert len(saved) > 4
    assert_equal_weights(unbroken, weights)
    lines = [
        [
            (line["step"], line["loss"])
            for line in RunLog(tmp_path / name).history("epoch")
        ]
        for name in ("unbroken", "killed")
    ]
    assert lines[0] == lines[1]


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, caplog):
    options = TrainOptions(epochs=3, learning_rate=0.01)
    unbroken = Learner(tmp_path / "unbroken", options=options).fit()
    Learner(tmp_path / "run").fit()  # two epochs
    for path in (tmp_path / "run" / "checkpoints").glob("ckpt-8.data-*"):
        path.write_bytes(path.read_bytes()[:50])
    with caplog.at_level("WARNING", "absl"):
        resumed = Learner(tmp_path / "run", options=options).fit()
    assert "ckpt-8 is damaged" in caplog.text
    assert_equal_weights(unbroken, resumed)
    steps = [line["step"] for line in RunLog(tmp_path / "run").history("epoch")]
    assert steps == [4, 8, 12]


def test_a_trace_is_written_of_the_steps_asked_for(tmp_path):
    Learner(tmp_path, pace=PaceOptions(profile="2:4")).fit()
    traces = list((tmp_path / "tensorboard").rglob("*.xplane.pb"))
    assert len(traces) == 1 and traces[0].stat().st_size > 1000


def test_each_epoch_is_one_line_of_metrics(tmp_path):
    Learner(tmp_path).fit()
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    assert first["event"] == "epoch"
    assert first["step"] == 4  # 30 pairs in batches of 7
    assert {"loss", "val_loss", "learning_rate"} <= first.keys()
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    Learner(tmp_path).fit()
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(9)])
    checkpoints = Checkpoints(tmp_path / "checkpoints", other, tiny_head())
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.restore()


def test_a_damaged_checkpoint_is_named(tmp_path):
    Learner(tmp_path).fit()
    for path in (tmp_path / "checkpoints").glob("*.data-*"):
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="are damaged: ckpt-4, ckpt-8"):
        Learner(tmp_path).fit()


def test_a_profiled_training_is_the_same_training(tmp_path):
    one = Learner(tmp_path / "one").fit()
    pace = PaceOptions(profile="2:6")  # over the end of an epoch
    assert_equal_weights(one, Learner(tmp_path / "other", pace=pace).fit())


def test_xprof_finds_our_steps_in_the_trace(tmp_path):
    convert = pytest.importorskip(
        "xprof.convert.raw_to_tool_data",
        reason='xprof is not installed: pip install -e ".[profile]"',
    )
    Learner(tmp_path, pace=PaceOptions(profile="2:6")).fit()
    traces = [str(path) for path in tmp_path.glob("**/*.xplane.pb")]
    assert len(traces) == 1

    def tool(name):
        data, kind = convert.xspace_to_tool_data(traces, name, {})
        assert kind == "application/json"
        return json.loads(data)

    steps = [
        event["args"]["step_num"]
        for event in tool("trace_viewer")["traceEvents"]
        if event.get("name", "").startswith("train")
    ]
    assert sorted(steps) == ["2", "3", "4", "5"]
    # The overview has one table with a row per step.
    rows = [
        [cell["v"] for cell in row["c"]]
        for table in tool("overview_page")
        if "steptime_ms_average" in table.get("p", {})
        for row in table["rows"]
    ]
    wanted = ["train 2", "train 3", "train 4", "train 5"]
    assert [row[0] for row in rows] == wanted
    names = str(tool("framework_op_stats"))
    for part in ("dense", "head/v1", "head/v2"):
        assert f"/{part}" in names.replace("_1", ""), part


def test_states_are_shown_at_the_start_and_once_they_are_saved(tmp_path):
    shown = []
    for epochs in (2, 3):  # the second goes on with the first
        options = TrainOptions(epochs=epochs, learning_rate=0.01)
        learner = Learner(tmp_path, options=options)

        def show(step):
            saved = tmp_path / "checkpoints" / f"ckpt-{step}.index"
            shown.append((step, saved.is_file()))

        learner.training = dataclasses.replace(learner.training, show=show)
        learner.fit()
    # An epoch has four steps. Step 0 is nothing that could be saved.
    assert shown == [(0, False), (4, True), (8, True), (12, True)]
