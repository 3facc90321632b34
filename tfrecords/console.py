"""Text of strangers on the terminal.

Names of files and fields come from anywhere: a terminal may lack their
signs, and some are no text at all. None of that ends a command line.
"""

import io
import sys


def print_any_text() -> None:
    """Makes `print` write \\u escapes where a sign cannot be written."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
