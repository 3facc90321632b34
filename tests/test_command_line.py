"""Laws of the small commands: help, errors, exit codes."""

import subprocess
import sys

import pytest
from absl import flags

from scn_tf import embed
from scn_tf import neighbours
from scn_tf.command_line import INTERRUPTED
from scn_tf.command_line import run_command
from scn_tf.embedding.command_flags import common_flags
from tfrecords.errors import InputError

GOOD = ["command", "--module=m", "--images=i"]


def run(arguments, work=lambda values: 0):
    return run_command(work, common_flags(), "What it does.", arguments)


def test_work_gets_the_parsed_flags():
    seen = {}

    def work(values):
        seen.update(module=values.module, batch_size=values.batch_size)
        return 7

    assert run([*GOOD, "--batch_size=8"], work) == 7
    assert seen == {"module": "m", "batch_size": 8}


def test_two_commands_fit_into_one_process():
    first, second = common_flags(), common_flags()
    run_command(lambda _: 0, first, "", [*GOOD, "--image_size=5"])
    run_command(lambda _: 0, second, "", GOOD)
    assert (first.image_size, second.image_size) == (5, 0)
    assert "images" not in flags.FLAGS


def test_help_names_every_flag(capsys):
    assert run(["command", "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("What it does.")
    assert "--module (required)" in text
    assert "--on_bad_image=skip" in text


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["command", "--module=m"], "--images"),
        ([*GOOD, "stray"], "without a flag: stray."),
        ([*GOOD, "--no_such=1"], "no_such"),
        ([*GOOD, "--batch_size=0"], "batch_size"),
        ([*GOOD, "--batch_size=257"], "batch_size"),
        ([*GOOD, "--on_bad_image=ask"], "skip|stop"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(capsys, arguments, words):
    assert run(arguments) == 2
    text = capsys.readouterr().err
    assert words in text and "--help" in text


def test_words_without_a_flag_go_to_the_work():
    seen = []
    arguments = [*GOOD, "one", "two"]
    names = ("FIRST", "SECOND")
    code = run_command(
        lambda _, *words: seen.extend(words) or 5,
        common_flags(),
        "",
        arguments,
        names,
    )
    assert (code, seen) == (5, ["one", "two"])


@pytest.mark.parametrize("given", [[], ["one"], ["one", "two", "three"]])
def test_missing_and_stray_words_are_named(capsys, given):
    names = ("FIRST", "SECOND")
    arguments = [*GOOD, *given]
    assert run_command(None, common_flags(), "", arguments, names) == 2
    text = capsys.readouterr().err
    shown = " ".join(given) or "none"
    assert f"without a flag: {shown}. Wanted are 2: FIRST, SECOND." in text


def test_what_cannot_be_used_is_one_message(capsys):
    def refuse(_):
        raise InputError("It is no good.")

    assert run(GOOD, refuse) == 1
    assert capsys.readouterr().err.strip() == "Error: It is no good."


def test_an_interrupted_command_says_that_it_continues(capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    assert run(GOOD, interrupt) == INTERRUPTED
    assert "continues" in capsys.readouterr().err


@pytest.mark.parametrize("command", [embed, neighbours])
def test_help_opens_with_the_command(capsys, command):
    assert command.main(["command", "--help"]) == 0
    name = command.__name__
    assert f"python -m {name} --module=" in capsys.readouterr().out


def test_a_command_starts_as_a_program(tmp_path):
    command = [sys.executable, "-m", "scn_tf.embed", f"--module={tmp_path}"]
    command += [f"--images={tmp_path}", "--output=f.npy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().startswith("Error: No picture in")
    assert "Traceback" not in done.stderr


def test_of_what_libraries_say_only_warnings_are_shown():
    program = (
        "from absl import logging\n"
        "from scn_tf.command_line import start\n"
        "def main(arguments):\n"
        "    logging.info('a detail')\n"
        "    logging.warning('a danger')\n"
        "start(main)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "a danger" in done.stderr
    assert "a detail" not in done.stderr
