"""Of several processes, one writes to a run's folder.

In: the folder. Out: a block in which this process has it.
"""

import contextlib
import pathlib
from collections.abc import Iterator

from scn_tf.distribution import is_chief
from tfrecords import folder_lock
from tfrecords.errors import InputError


def is_held(run_dir: pathlib.Path) -> bool:
    """Says whether another command trains in a run's folder.

    Args:
        run_dir: which is there.
    """
    try:
        with folder_lock.held(run_dir):
            return False
    except folder_lock.HeldError:
        return True


@contextlib.contextmanager
def run_held(run_dir: pathlib.Path) -> Iterator[None]:
    """Keeps other commands from training in a run's folder meanwhile.

    Of several workers the chief has it for all.

    Args:
        run_dir: the run's folder; made if it is missing.

    Raises:
        InputError: if another command trains there, or it cannot be made.
    """
    if not is_chief():
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            run_dir.mkdir(parents=True, exist_ok=True)
            stack.enter_context(folder_lock.held(run_dir))
        except folder_lock.HeldError as error:
            raise InputError(
                f"{run_dir} is being trained by another process. Wait for it "
                "or end it, then give the command again; it goes on from what "
                "is saved."
            ) from error
        except OSError as error:
            raise InputError(
                f"--run_dir={run_dir} cannot be made or opened: {error}."
            ) from error
        yield
