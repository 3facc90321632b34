"""Random initial weights that depend on a seed and on nothing before.

In: a seed. Out: a context in which Keras draws initial weights from it.
"""

import contextlib
import random
from collections.abc import Iterator


@contextlib.contextmanager
def initializers_seeded(seed: int | str) -> Iterator[None]:
    """Seeds the initializers made inside, and nothing else.

    Keras draws the seed of an initializer that has none from Python's
    `random`; its state is put back.

    Args:
        seed: the same one gives the same weights. Parts of one network that
            are made apart need different ones, such as "head 0".
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
