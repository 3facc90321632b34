"""Names of the temporaries that a process leaves."""

from tfrecords.files import _process_space


def temporary_name(name: str, process_id: int | str) -> str:
    """What `replacing(name)` yields in a process here of this id."""
    return f".{name}.{_process_space()}.{process_id}.tmp"
