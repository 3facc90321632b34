"""Laws of the quiet start."""

import subprocess
import sys

QUIET = "import tfrecords.quiet_start"


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )


def test_nothing_is_written_on_a_good_start():
    result = run(f"{QUIET}; import tensorflow as tf; print(tf.__version__)")
    assert result.returncode == 0
    assert result.stderr == ""


def test_gpus_are_not_taken_whole():
    name = "TF_FORCE_GPU_ALLOW_GROWTH"
    for own, wanted in (("", "true"), (f"os.environ['{name}'] = 'no'", "no")):
        code = f"import os\n{own}\n{QUIET}\nprint(os.environ['{name}'])"
        assert run(code).stdout.strip() == wanted


def test_what_is_written_later_still_shows():
    result = run(f"{QUIET}; import sys; sys.stderr.write('heard')")
    assert result.stderr == "heard"


def test_a_failing_import_shows_what_was_kept_back():
    broken = (
        "import os, sys, types\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'tensorflow':\n"
        "            os.write(2, b'a line of the library')\n"
        "            raise ImportError('no such library')\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    result = run(broken + QUIET)
    assert result.returncode != 0
    assert "a line of the library" in result.stderr
    assert "no such library" in result.stderr
