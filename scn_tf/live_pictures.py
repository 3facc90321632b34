"""Pictures while a training runs, for TensorBoard's slider of steps.

In: what draws each sheet. Out: images in TensorBoard and PNG files. The same
pairs are drawn every time, so that the sheets of two steps can be compared.
"""

import pathlib
import time
from collections.abc import Callable
from collections.abc import Mapping

from absl import logging

from scn_tf.run_log import RunLog

# Of the time since the training began, where --picture_every=auto.
_SHARE = 0.01


class LivePictures:
    """Shows "pairs" at the start, "predictions" again and again.

    Predictions are drawn of the untrained network, after epochs, and after
    the last one. Only states that are saved are shown, so that a continued
    training shows none of them twice. A sheet that cannot be drawn is named
    in a warning; the training goes on.

    Args:
        sheets: "pairs" and "predictions", each a function that writes the
            PNG file it is given, from the network as it is then.
        folder: where the newest of each sheet lies.
        run_log: what writes to TensorBoard.
        steps_per_epoch: steps of an epoch.
        epochs: of the whole training.
        every: epochs between two sheets of predictions; 0 draws nothing;
            None as many as take about a hundredth of the training's time.
    """

    def __init__(
        self,
        sheets: Mapping[str, Callable[[pathlib.Path], object]],
        folder: pathlib.Path,
        run_log: RunLog,
        *,
        steps_per_epoch: int,
        epochs: int,
        every: int | None,
    ) -> None:
        self._sheets = sheets
        self._folder = folder
        self._log = run_log
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._every = every
        self._start = time.monotonic()
        self._spent = 0.0

    def show(self, step: int) -> None:
        """Draws what is due after `step` steps, the end of an epoch or 0."""
        if self._every == 0:
            return
        if step == 0:
            self._show("pairs", step)
        if self._is_due(step):
            self._show("predictions", step)

    def _is_due(self, step: int) -> bool:
        epoch = step // self._steps_per_epoch
        if epoch in (0, self._epochs):
            return True
        if self._every is not None:
            return epoch % self._every == 0
        return self._spent <= _SHARE * (time.monotonic() - self._start)

    def _show(self, name: str, step: int) -> None:
        start = time.monotonic()
        path = self._folder / f"{name}.png"
        try:
            self._folder.mkdir(exist_ok=True)
            self._sheets[name](path)
            self._log.picture(f"train/{name}", path, step)
        # Whatever it is, days of training weigh more than a picture.
        except Exception as error:
            logging.warning(
                "The picture of %s after step %d was not drawn (%s: %s). The "
                "training goes on.",
                name,
                step,
                type(error).__name__,
                error,
            )
        self._spent += time.monotonic() - start
