"""Configs of command lines, without a trace left in the flags."""

from absl import flags
from absl.testing import flagsaver

from scn_tf import main
from scn_tf.config import Config
from scn_tf.config import config_from_flags


def parsed_config(*arguments: str) -> Config:
    """The config that `python -m scn_tf.main ARGUMENTS` would run."""
    with flagsaver.flagsaver():
        main.parse_flags(["scn_tf.main", *arguments])
        return config_from_flags(flags.FLAGS, main._GROUPS)
