"""What a training leaves in its run folder, for tests that need no network."""

import pathlib


def leave_checkpoint(run_dir: pathlib.Path, text: str = "") -> None:
    """Writes the file by which a trained run is known."""
    (run_dir / "checkpoints").mkdir(exist_ok=True)
    (run_dir / "checkpoints" / "checkpoint").write_text(text)
