"""The spatial context module: h1 and an offset -> h3 (Eq. 1).

In: feature vectors of source patches and offsets. Out: predicted feature
vectors of the target patches.
"""

import math

import keras
from keras import ops

from scn_tf.geometry import NUM_OFFSETS


@keras.saving.register_keras_serializable(package="scn_tf")
class SpatialContextHead(keras.layers.Layer):
    """h2 = sigmoid(V1 h1 + Vloc o), h3 = V2 h2, biases in V1 and V2.

    The offset enters as `offset_gain * o / offset_spread`. At the start
    `Vloc` is scaled so that its term has a standard deviation of about
    `offset_initial_spread` whatever the gain; under plain gradient descent
    the gain then acts as a learning rate for Vloc, multiplied by its square.
    Both matter: raw pixels saturate the sigmoids and shut the content path,
    small offsets are hardly ever learned (docs/experiments.md, "Offsets").

    Wu, Davis, Sigal, arXiv 1704.02998, section 3, Eq. 1.

    Args:
        num_features: D, length of h1 and of h3.
        num_hidden: width of h2; 0 takes D.
        offset_spread: root mean square of the offsets of the data.
        offset_gain: factor on the standardized offset; 0 makes the module
            blind to offsets, a control.
        offset_initial_spread: standard deviation of `Vloc o` at the start.
        num_targets: length of h3 where it is another than that of h1; 0
            takes D.

    Call arguments:
        source: [P, D] float, h1 of each pair's source patch.
        offset: [P, 8] float, in the unit of `offset_spread`.

    Output shape:
        [P, D], or [P, num_targets].
    """

    def __init__(
        self,
        num_features: int,
        num_hidden: int = 0,
        offset_spread: float = 1.0,
        offset_gain: float = 1.0,
        offset_initial_spread: float = 1.0,
        num_targets: int = 0,
        **kwargs,
    ) -> None:
        # Offsets stay float32 in any case; the parts cast for themselves.
        super().__init__(autocast=False, **kwargs)
        if offset_spread <= 0 or offset_gain < 0 or offset_initial_spread < 0:
            raise ValueError(
                "`offset_spread` must be positive, `offset_gain` and "
                "`offset_initial_spread` at least 0. Received: "
                f"{offset_spread}, {offset_gain}, {offset_initial_spread}."
            )
        self.num_features = num_features
        self.num_hidden = num_hidden or num_features
        self.num_targets = num_targets or num_features
        self.offset_spread = offset_spread
        self.offset_gain = offset_gain
        self.offset_initial_spread = offset_initial_spread
        self.content = keras.layers.Dense(
            self.num_hidden, dtype=self.dtype_policy, name="v1"
        )
        self.location = keras.layers.Dense(
            self.num_hidden,
            dtype="float32",
            use_bias=False,  # one shared bias, V1's (specs, section 4.8)
            kernel_initializer=keras.initializers.RandomNormal(
                stddev=self._initial_deviation()
            ),
            name="vloc",
        )
        self.decode = keras.layers.Dense(
            self.num_targets, dtype=self.dtype_policy, name="v2"
        )

    def _initial_deviation(self) -> float:
        """Deviation of Vloc's entries for eight inputs of deviation gain."""
        if not self.offset_gain:
            return 0.0
        scale = self.offset_gain * math.sqrt(NUM_OFFSETS)
        return self.offset_initial_spread / scale

    def build(self, source_shape: tuple, offset_shape: tuple) -> None:
        """Creates V1 [D, H], Vloc [8, H] and V2 [H, D]."""
        self.build_shapes = (source_shape, offset_shape)
        self.content.build(source_shape)
        self.location.build(offset_shape)
        self.decode.build((*source_shape[:-1], self.num_hidden))

    def call(
        self, source: keras.KerasTensor, offset: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Predicts the target patches' features (Eq. 1)."""
        offset = offset * (self.offset_gain / self.offset_spread)
        content = ops.cast(self.content(source), "float32")
        hidden = ops.sigmoid(content + self.location(offset))
        return ops.cast(self.decode(hidden), "float32")  # [P, D]

    def compute_output_shape(
        self, source_shape: tuple, offset_shape: tuple
    ) -> tuple:
        """[P, D], or [P, num_targets]."""
        return (*source_shape[:-1], self.num_targets)

    def get_config(self) -> dict:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_features": self.num_features,
            "num_hidden": self.num_hidden,
            "offset_spread": self.offset_spread,
            "offset_gain": self.offset_gain,
            "offset_initial_spread": self.offset_initial_spread,
            "num_targets": self.num_targets,
        }
