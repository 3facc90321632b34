"""Copies of a trained run that tests may change."""

import pathlib
import shutil

from export.finished_run import open_run
from scn_tf.checkpoint import Checkpoints


def copy_run(
    run_dir: pathlib.Path, folder: pathlib.Path, *more_flags: str
) -> pathlib.Path:
    """Copies a run, whose records are only linked; adds flags to its own."""
    folder.mkdir(parents=True)
    (folder / "records").symlink_to(run_dir / "records")
    shutil.copytree(run_dir / "checkpoints", folder / "checkpoints")
    shutil.copy(run_dir / "environment.json", folder)
    lines = [(run_dir / "flags.txt").read_text(), *more_flags]
    (folder / "flags.txt").write_text("\n".join(lines) + "\n")
    return folder


def leave_another_best(run_dir: pathlib.Path) -> int:
    """Puts other weights of another step in place of the best; that step."""
    run = open_run(run_dir, "last", 1.0)
    for model in (run.backbone.neck, run.head):
        model.set_weights([1.5 * weight for weight in model.get_weights()])
    checkpoints = Checkpoints(
        run_dir / "checkpoints", run.backbone.neck, run.head
    )
    step = run.restored_step + 1  # A step before it may be none.
    assert checkpoints.save_if_best(-1.0, step)  # No loss is as low.
    return step
