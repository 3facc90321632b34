"""Copies of a network's weights in few variables, and the network on them.

In: Keras models. Out: plain `tf.Variable`s, each weight once, and calls of
the models that read and move these in place of their own.

The weights of a small network come in hundreds of short vectors (biases, the
four of each batch normalization). To describe, save and restore each would
fill more than a tenth of MobileNetV2's own size, so all vectors of a kind
lie one behind another in one variable, and so do a model's small kernels;
large kernels keep their own.
"""

import contextlib
import math
from collections.abc import Iterator
from collections.abc import Sequence

import keras
import tensorflow as tf

from scn_tf.backbones.inference import half_precision_layers

_SMALL = 1 << 14  # elements


class PackedWeights:
    """The weights of some models, copied.

    All models must be `bare` from the making of this object to the saving.

    Args:
        models: whose weights are copied; none of them twice.
        trained: those of `models` whose weights can be fine-tuned.

    Attributes:
        trainable_variables: of `trained`, without statistics and counters.
        variables: all, those that can be fine-tuned first.
    """

    def __init__(
        self, models: Sequence[keras.Layer], trained: Sequence[keras.Layer]
    ) -> None:
        tuned = [model.trainable_variables for model in trained]
        known = {id(variable) for part in tuned for variable in part}
        rest = [
            [
                variable
                for variable in model.variables
                if id(variable) not in known
            ]
            for model in models
        ]
        self._packs = [*_packs(tuned, True), *_packs(rest, False)]
        self.variables = [pack.variable for pack in self._packs]
        self.trainable_variables = [v for v in self.variables if v.trainable]

    def read(self) -> dict[int, tf.Tensor]:
        """Returns the values by the id of the Keras variable."""
        values = {}
        for pack in self._packs:
            values |= pack.read()
        return values

    def write(
        self, before: dict[int, tf.Tensor], after: dict[int, tf.Tensor]
    ) -> None:
        """Assigns those of `after` that are not what `read` gave."""
        for pack in self._packs:
            pack.write(before, after)

    def place(self, original: keras.Variable) -> tuple[int, int]:
        """Returns where a weight lies: which of `variables`, and from where.

        Args:
            original: a variable of one of the models.

        Returns:
            Index into `variables`, and the index of the weight's first value
            among the flat values of that variable.
        """
        for index, pack in enumerate(self._packs):
            if id(original) in pack.identities:
                return index, pack.start(id(original))
        raise ValueError(f"{original.path} is no weight of these models.")

    def kernels(self, model: keras.Layer) -> list[tf.Variable]:
        """Returns the trained weights of `model` that had several axes."""
        wanted = {id(v) for v in model.variables if len(v.shape) > 1}
        return [
            pack.variable
            for pack in self._packs
            if pack.variable.trainable and wanted & set(pack.identities)
        ]


def call_with(
    values: dict[int, tf.Tensor],
    model: keras.Layer,
    *inputs: tf.Tensor,
    **options: object,
) -> tf.Tensor | dict[str, tf.Tensor]:
    """Calls a model with other weights than its own.

    Args:
        values: what `PackedWeights.read` gave. Statistics and counters that
            the call moves are replaced in it.
        model: one of the models of the weights, or a part of one.
        inputs: its inputs.
        options: such as `training`.
    """
    trained, state = model.trainable_variables, model.non_trainable_variables
    output, moved = model.stateless_call(
        [values[id(variable)] for variable in trained],
        [values[id(variable)] for variable in state],
        *inputs,
        **options,
    )
    for variable, value in zip(state, moved, strict=True):
        values[id(variable)] = value
    return output


@contextlib.contextmanager
def bare(models: Sequence[keras.Layer]) -> Iterator[None]:
    """Thaws and renames every layer while the graphs are made.

    A frozen batch normalization would ignore `training=True`. The name of a
    layer stands in each of its operations, so that long names cost a sixth
    of the graphs' size.
    """
    # Keras offers no public walk over nested layers. Parents come first:
    # setting a parent's flag sets those of its children.
    layers = [layer for model in models for layer in model._flatten_layers()]
    kept = [(layer, layer.name, layer.trainable) for layer in layers]
    try:
        for layer in layers:
            layer.name = ""
            layer.trainable = True
        yield
    finally:
        for layer, name, trainable in kept:
            layer.name = name
            layer.trainable = trainable


@contextlib.contextmanager
def computing_in(
    precision: str, models: Sequence[keras.Layer]
) -> Iterator[None]:
    """Makes layers compute in a precision; their weights stay as they are.

    Args:
        precision: "float32" leaves every layer as it is. In any other,
            preprocessing, means and normalizations stay as they are.
        models: whose layers are meant.
    """
    layers = []
    if precision != "float32":
        layers = [
            layer for model in models for layer in half_precision_layers(model)
        ]
    kept = [(layer, layer.dtype_policy) for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = f"mixed_{precision}"
        yield
    finally:
        for layer, policy in kept:
            layer.dtype_policy = policy


class _Pack:
    """One variable, and the Keras variables that lie in it."""

    def __init__(self, originals: list[keras.Variable], trainable: bool):
        self.identities = [id(original) for original in originals]
        self._shapes = [tuple(original.shape) for original in originals]
        self._is_alone = len(originals) == 1
        values = [original.numpy() for original in originals]
        # The name is part of the format of every operation that touches
        # the variable: a short one saves kilobytes.
        self.variable = tf.Variable(
            self._joined(values), trainable=trainable, name="v"
        )

    def start(self, identity: int) -> int:
        before = self._shapes[: self.identities.index(identity)]
        return sum(map(math.prod, before))

    def read(self) -> dict[int, tf.Tensor]:
        values = [tf.convert_to_tensor(self.variable)]
        if not self._is_alone:
            lengths = [math.prod(shape) for shape in self._shapes]
            values = [
                part if len(shape) == 1 else tf.reshape(part, shape)
                for part, shape in zip(
                    tf.split(values[0], lengths), self._shapes, strict=True
                )
            ]
        return dict(zip(self.identities, values, strict=True))

    def write(self, before: dict, after: dict) -> None:
        if any(after[key] is not before[key] for key in self.identities):
            values = [after[key] for key in self.identities]
            self.variable.assign(self._joined(values))

    def _joined(self, values: list) -> tf.Tensor:
        if self._is_alone:
            return values[0]
        vectors = [
            value if len(value.shape) == 1 else tf.reshape(value, [-1])
            for value in values
        ]
        return tf.concat(vectors, axis=0)


def _packs(models: list[list[keras.Variable]], trainable: bool) -> list[_Pack]:
    """All vectors of one type together; a model's small kernels together."""
    kinds = {}
    for place, originals in enumerate(models):
        for original in originals:
            kind = id(original)
            if len(original.shape) == 1:
                kind = original.dtype
            elif math.prod(original.shape) < _SMALL:
                kind = (original.dtype, place)
            kinds.setdefault(kind, []).append(original)
    return [_Pack(group, trainable) for group in kinds.values()]
