"""Laws of text that a terminal cannot show."""

import os
import subprocess
import sys

import pytest

CODE = """
from tfrecords.console import print_any_text
print_any_text()
print("a\\ud800b \\u65e5")
"""


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"a\ud800b \u65e5"), ("utf-8", "a\\ud800b 日")],
)
def test_signs_that_the_terminal_lacks_are_escaped(encoding, shown):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env={**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"},
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().strip() == shown
