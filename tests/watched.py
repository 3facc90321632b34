"""Commands in a process of their own, with an eye on every file they open.

Python reports what it opens and lists (`sys.addaudithook`); libraries in C
do not, so Linux is asked too who opens files of a folder (inotify).
"""

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
# Runs `python -m <module>` or `python <script>` after the hook is set.
_PROGRAM = """
import os, runpy, sys
log, what = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), sys.argv[2]
sys.argv = sys.argv[2:]
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "tests")]
def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir"):
        path = arguments[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            end = os.fsencode(os.path.realpath(path))
            os.write(log, b"path " + end + b"\\0")
sys.addaudithook(watch)
try:
    if what.endswith(".py"):
        runpy.run_path(what, run_name="__main__")
    else:
        runpy.run_module(what, run_name="__main__", alter_sys=True)
finally:
    # Not getrusage: that counts what the parent held before the start, too.
    with open("/proc/self/status", "rb") as file:
        most = file.read().split(b"VmHWM:")[1].split()[0]
    os.write(log, b"kilobytes " + most + b"\\0")
"""
_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_EVENT_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Watched:
    """A command that ended.

    Attributes:
        code: its exit code.
        output: what it wrote to both streams.
        paths: where the files and folders lie that Python opened.
        megabytes: the most memory that it held.
    """

    code: int
    output: str
    paths: frozenset[pathlib.Path]
    megabytes: float

    def opened_below(self, folder):
        """Returns the paths in a folder that were opened, itself too."""
        folder = folder.resolve()
        return {path for path in self.paths if path.is_relative_to(folder)}


def run_watched(log_path, what, *arguments, timeout):
    """Runs a module by its name, or a script; raises if it takes too long."""
    command = [sys.executable, "-c", _PROGRAM, log_path, what, *arguments]
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout,
    )
    lines = log_path.read_bytes().rstrip(b"\0").split(b"\0")
    values = [line.split(b" ", 1) for line in lines]
    paths = (os.fsdecode(value) for kind, value in values if kind == b"path")
    most = [int(value) for kind, value in values if kind == b"kilobytes"]
    return Watched(
        code=done.returncode,
        output=done.stdout.decode(errors="replace"),
        paths=frozenset(map(pathlib.Path, paths)),
        megabytes=most[0] / 1024,
    )


@contextlib.contextmanager
def opened_files(folder):
    """Yields a list; at the end it holds what was opened in a folder."""
    opened = []
    system = ctypes.CDLL(None, use_errno=True)
    descriptor = system.inotify_init1(os.O_NONBLOCK)
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    try:
        watch = system.inotify_add_watch(
            descriptor, os.fsencode(folder), _IN_OPEN | _IN_ACCESS
        )
        assert watch >= 0, os.strerror(ctypes.get_errno())
        yield opened
        with contextlib.suppress(BlockingIOError):
            opened += _names(os.read(descriptor, _EVENT_BYTES))
    finally:
        os.close(descriptor)


def _names(events):
    """Returns the names of files in a block of inotify(7)'s events."""
    names, start = [], 0
    while start < len(events):
        end = start + 16
        length = int.from_bytes(events[end - 4 : end], sys.byteorder)
        name = events[end : end + length].rstrip(b"\0")
        names.append(name.decode(errors="replace"))
        start = end + length
    return names
