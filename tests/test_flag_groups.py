"""Laws of the flags and of --help."""

import dataclasses

from absl import flags

from scn_tf import flag_groups
from scn_tf import main
from scn_tf.pace import PaceOptions
from scn_tf.recipe import TrainOptions


def test_every_flag_stands_in_one_group():
    names = [name for group in main._GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert {"run_dir", "data_dir", "backbone", "epochs", "keep"} <= set(names)


def test_every_number_of_the_recipe_is_a_flag_with_its_default():
    for options in (TrainOptions(), PaceOptions()):
        for field in dataclasses.fields(options):
            default = getattr(options, field.name)
            assert flags.FLAGS[field.name].default == default, field.name


def test_help_has_every_flag_under_its_title_with_its_default():
    text = flag_groups.help_text("About.", main._GROUPS)
    assert text.startswith("About.")
    for title, names in main._GROUPS.items():
        assert f"{title}:" in text
        for name in names:
            assert f"  --{name}=" in text
    assert "--save_every=10m" in text
