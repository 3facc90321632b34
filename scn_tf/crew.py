"""Who fills a feature cache: devices of this process, and other workers.

In: names of devices, and the run's strategy where all workers work together.
Out: this worker's share, and what all workers say.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from scn_tf.distribution import agree
from scn_tf.distribution import gather
from scn_tf.distribution import is_chief
from scn_tf.distribution import num_workers
from scn_tf.distribution import worker_index


@dataclasses.dataclass(frozen=True)
class Crew:
    """The devices that compute, here and on other workers.

    Attributes:
        devices: of this process; "" is what TensorFlow prefers.
        strategy: of a run whose workers all call the same methods in the
            same order; None if this process works alone, whatever TF_CONFIG
            says.
    """

    devices: tuple[str, ...] = ("",)
    strategy: tf.distribute.Strategy | None = None

    @property
    def leads(self) -> bool:
        """Whether this process decides and prepares for all."""
        return self.strategy is None or is_chief()

    def share(self, items: Sequence) -> Sequence:
        """Returns what this worker does of `items`, which all know.

        Shares follow one another and differ by one item at most.
        """
        if self.strategy is None:
            return items
        number, total = worker_index(), num_workers()
        start = number * len(items) // total
        return items[start : (number + 1) * len(items) // total]

    def gather(self, values: Sequence[float]) -> np.ndarray:
        """Returns what all say, once all have said it.

        Args:
            values: [n] of this worker; n is at least 1 and the same on all.

        Returns:
            [R, n] float64 by worker, the chief first; a worker of several
            devices has several equal rows.
        """
        if self.strategy is None:
            return np.asarray([values], np.float64)
        return gather(self.strategy, values)

    def wait(self) -> None:
        """Returns when all workers have called it."""
        if self.strategy is not None:
            agree(self.strategy, 0.0)


def local_devices(strategy: tf.distribute.Strategy) -> tuple[str, ...]:
    """Names of the devices of this process that `strategy` computes on.

    Returns:
        At least one; "" is what TensorFlow prefers.
    """
    try:
        return tuple(strategy.extended.worker_devices)
    except RuntimeError:  # TensorFlow's default strategy does not say
        return ("",)
