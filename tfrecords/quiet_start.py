"""Imports TensorFlow and Beam without the lines they greet with.

Imported first, for its effect, by the command lines and so by their worker
processes. TensorFlow 2.21 writes a dozen lines straight to the process's
standard error on import and on the first look for GPUs; no setting silences
them all. They are kept back and shown only if the import fails. Beam warns of
Google's client libraries, which nobody needs here, and by that installs a
handler of log lines for everyone.
"""

import logging
import os
import sys
import tempfile


def import_quietly() -> None:
    """Imports both and looks for GPUs; shows the lines on failure."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # By itself it takes all memory of all GPUs, in every process.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    sys.stderr.flush()
    kept_stderr = os.dup(2)
    silence = logging.NullHandler()
    logging.getLogger().addHandler(silence)
    with tempfile.TemporaryFile() as lines:
        os.dup2(lines.fileno(), 2)
        failed = True
        try:
            import apache_beam  # noqa: F401
            import tensorflow as tf

            tf.config.list_physical_devices("GPU")
            failed = False
        finally:
            os.dup2(kept_stderr, 2)
            os.close(kept_stderr)
            logging.getLogger().removeHandler(silence)
            if failed:
                lines.seek(0)
                sys.stderr.write(lines.read().decode(errors="replace"))


import_quietly()
