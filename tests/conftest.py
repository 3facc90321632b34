"""Two logical CPUs, exact products, one seed, the real data if it is there."""

import os
import pathlib
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import filelock
import keras
import pytest
import tensorflow as tf

tf.config.experimental.enable_tensor_float_32_execution(False)
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

_LONGEST = ("test_train.py", "test_flagfiles.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with the longest files.

    At the end, one of two processes would only wait for the other.
    """
    runs = {"demo_run", "voc_run"}
    long = {i.path for i in items if runs & set(i.fixturenames)}
    items.sort(
        key=lambda item: (item.path not in long, item.path.name not in _LONGEST)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begins every test, its fixtures too, with the same random numbers."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def scn_data() -> pathlib.Path:
    """The folder with `data/` (VOC2007) and `weights/`, from SCN_DATA.

    Without it the tests on real photographs cannot run: they fail where
    `CI` is set and are skipped, with the reason shown, elsewhere.
    """
    folder = os.environ.get("SCN_DATA", "")
    if folder and (pathlib.Path(folder) / "data").is_dir():
        return pathlib.Path(folder).resolve()
    message = (
        f"SCN_DATA={folder!r} holds no data/ folder; set it to the folder "
        "with data/VOCdevkit and weights/ (BUILD.md, 'Data and weights')."
    )
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def command():
    """Runs the command line in this process; returns its exit code."""
    from absl.testing import flagsaver

    from scn_tf import main

    def run(*arguments: str) -> int:
        with flagsaver.flagsaver():
            return main.main(main.parse_flags(["scn_tf.main", *arguments]))

    return run


@pytest.fixture(scope="session")
def demo_run(tmp_path_factory) -> pathlib.Path:
    """The run folder of the demo: every stage on 800 synthetic scenes."""

    def make(run_dir):
        _run_command("demo.flags", run_dir)

    return _made_once(tmp_path_factory, "demo", make)


@pytest.fixture(scope="session")
def demo_experiment(command, demo_run):
    """Runs a small experiment on the demo's records; returns its exit code."""
    root = pathlib.Path(__file__).parents[1]

    def run(run_dir: pathlib.Path, name: str, *arguments: str) -> int:
        return command(
            f"--flagfile={root}/scn_tf/flagfiles/demo.flags",
            f"--records_dir={demo_run}/records",
            f"--run_dir={run_dir}",
            f"--experiment={name}",
            *("--epochs=2", "--svm_c=1", "--picture_every=0"),
            *arguments,
        )

    return run


@pytest.fixture(scope="module")
def restored_run(demo_run):
    """The demo's run, its trained network restored; tests leave it so."""
    from parsed_flags import parsed_config

    from scn_tf.run import Run
    from scn_tf.stages import restore

    arguments = (f"--flagfile={demo_run}/flags.txt", f"--run_dir={demo_run}")
    run = Run(parsed_config(*arguments))
    restore(run)
    return run


@pytest.fixture(scope="session")
def short_run(command, tmp_path_factory) -> pathlib.Path:
    """The run folder of an epoch on a few scenes; fc7 has 16 units."""
    root = pathlib.Path(__file__).parents[1]

    def make(run_dir):
        arguments = [
            f"--flagfile={root}/scn_tf/flagfiles/demo.flags",
            f"--run_dir={run_dir}",
            *("--limit_images=40", "--epochs=1", "--picture_every=0"),
            *("--stages=records,train", "--fc6_width=32", "--fc7_width=16"),
            "--precision=float32",
        ]
        assert command(*arguments) == 0

    return _made_once(tmp_path_factory, "short", make)


@pytest.fixture(scope="session")
def voc_run(tmp_path_factory, scn_data) -> pathlib.Path:
    """The run folder of a slice of the real run: 200 photographs."""
    weights = scn_data / "weights" / "mobilenet_v2_imagenet.weights.h5"

    def make(run_dir):
        _run_command(
            "voc07_mobilenet_v2.flags",
            run_dir,
            f"--data_dir={scn_data / 'data'}",
            f"--weights={weights}",
            "--limit_images=200",
        )

    return _made_once(tmp_path_factory, "voc", make)


def _made_once(
    factory: pytest.TempPathFactory,
    name: str,
    make: Callable[[pathlib.Path], None],
) -> pathlib.Path:
    """Returns a run folder that all processes of this session share."""
    folder = factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent  # That of the process itself is below it.
    run_dir = folder / "runs" / name
    run_dir.parent.mkdir(exist_ok=True)
    made = run_dir.with_suffix(".made")
    with filelock.FileLock(run_dir.with_suffix(".lock")):
        if not made.exists():
            # A failed one is not tried twice with what it left.
            assert not run_dir.exists(), f"{name} has failed before."
            make(run_dir)
            made.touch()
    return run_dir


def _run_command(flagfile: str, run_dir: pathlib.Path, *more: str) -> None:
    """Runs the command line as a user does; its output shows on failure."""
    import subprocess
    import sys

    root = pathlib.Path(__file__).parents[1]
    command = [sys.executable, "-m", "scn_tf.main"]
    command.append(f"--flagfile=scn_tf/flagfiles/{flagfile}")
    command += [f"--run_dir={run_dir}", *more]
    with open(run_dir.with_suffix(".log"), "w") as log:
        code = subprocess.call(command, cwd=root, stdout=log, stderr=log)
    output = run_dir.with_suffix(".log").read_text()
    assert code == 0, output[-3000:]
