"""Two run folders of one command, compared bit for bit.

In: run folders. Out: what differs, in words; what a killed run left.

Compared are the names of all files but TensorBoard's, the bytes of the feature
cache, every variable of every checkpoint, best.json, the lines of
metrics.jsonl and what TensorBoard would show. Not compared: what tells times
(MEASURED and the lines of the stages, of which each start writes its own),
the list of checkpoints (it holds their times), flags.txt and environment.json
(they hold the folder's name).
"""

import dataclasses
import filecmp
import json
import pathlib
import re

# Fields of an epoch's line that tell the machine's speed.
MEASURED = ("pairs_per_second", "input_wait")


@dataclasses.dataclass(frozen=True)
class State:
    """What a start can build on.

    Attributes:
        shards: file number and time by the name of each finished shard.
        step: of the newest checkpoint; 0 if there is none.
    """

    shards: dict[str, tuple[int, int]]
    step: int


def state(run_dir: pathlib.Path) -> State:
    """Looks at what is finished in a run folder."""
    shards = {}
    for path in run_dir.glob("cache/*/shard-*.json"):
        status = path.stat()
        name = str(path.relative_to(run_dir))
        shards[name] = status.st_ino, status.st_mtime_ns
    return State(shards, max(_listed(run_dir), default=0))


def filling(run_dir: pathlib.Path) -> list[str]:
    """Names of what is being written into the feature cache."""
    return sorted(
        path.name
        for path in run_dir.glob("cache/*/*")
        if path.suffix == ".tmp"
        or (path.suffix == ".npy" and not _note(path).exists())
    )


def _note(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"shard-{path.stem.rpartition('-')[2]}.json")


def saving(run_dir: pathlib.Path) -> list[str]:
    """Names of what is being written into the checkpoints."""
    folder = run_dir / "checkpoints"
    listed = _listed(run_dir)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(name for name in names if not _is_finished(name, listed))


def _is_finished(name: str, listed: set[int]) -> bool:
    number = re.fullmatch(r"ckpt-(\d+)\.(index|data-00000-of-00001)", name)
    if number:
        return int(number[1]) in listed
    return name in ("checkpoint", "best", "best.json")


def _listed(run_dir: pathlib.Path) -> set[int]:
    """Steps of the checkpoints that count."""
    path = run_dir / "checkpoints" / "checkpoint"
    text = path.read_text() if path.is_file() else ""
    return {int(step) for step in re.findall(r'path\w*: "ckpt-(\d+)"', text)}


def differences(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    """What differs between an unbroken run's folder and a killed one's."""
    return [
        *_different_names(whole, broken),
        *_different_files(whole, broken),
        *_different_checkpoints(whole, broken),
        *_different_lines(whole, broken),
        *_different_curves(whole, broken),
    ]


def _names(run_dir: pathlib.Path) -> set[str]:
    return {
        str(path.relative_to(run_dir))
        for path in run_dir.rglob("*")
        if path.parent.name != "tensorboard"
    }


def _different_names(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    ours, theirs = _names(whole), _names(broken)
    lost = [f"{name} is missing" for name in sorted(ours - theirs)]
    return lost + [f"{name} was left" for name in sorted(theirs - ours)]


def _different_files(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    names = [
        name
        for name in _names(whole) & _names(broken)
        if name.startswith("cache/") or name == "checkpoints/best.json"
    ]
    names = [name for name in names if (whole / name).is_file()]
    _, different, unread = filecmp.cmpfiles(whole, broken, names, shallow=False)
    return [f"{name} differs" for name in sorted(different + unread)]


def _different_checkpoints(
    whole: pathlib.Path, broken: pathlib.Path
) -> list[str]:
    names = _names(whole) & _names(broken)
    found = []
    for name in sorted(names):
        if name.endswith(".index"):
            ours, theirs = _variables(whole / name), _variables(broken / name)
            found += [
                f"{name}: {variable} differs"
                for variable in sorted(ours.keys() | theirs.keys())
                if ours.get(variable) != theirs.get(variable)
            ]
    return found


def _variables(index: pathlib.Path) -> dict[str, tuple[str, bytes]]:
    """Type and bytes of each variable: weights, momentum, step, sums."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(index.with_suffix("")))
    variables = {}
    for name in reader.get_variable_to_shape_map():
        value = reader.get_tensor(name)
        variables[name] = (
            ("bytes", value)
            if isinstance(value, bytes)
            else (str(value.dtype), value.tobytes())
        )
    return variables


def _different_lines(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    ours, theirs = _lines(whole), _lines(broken)
    if ours == theirs:
        return []
    return [f"metrics.jsonl: {ours} became {theirs}"]


def _lines(run_dir: pathlib.Path) -> list[dict]:
    texts = (run_dir / "metrics.jsonl").read_text().splitlines()
    return [
        {name: value for name, value in line.items() if name not in MEASURED}
        for line in map(json.loads, texts)
        if line["event"] != "stage"
    ]


def _different_curves(whole: pathlib.Path, broken: pathlib.Path) -> list[str]:
    ours, theirs = _curves(whole), _curves(broken)
    return [
        f"TensorBoard: {tag} has {_steps(theirs, tag)}, not {_steps(ours, tag)}"
        for tag in sorted(ours.keys() | theirs.keys())
        if ours.get(tag) != theirs.get(tag)
    ]


def _steps(curves: dict, tag: str) -> str:
    points = curves.get(tag, [])
    return f"the steps {[step for step, _ in points]}"


def _curves(run_dir: pathlib.Path) -> dict[str, list[tuple[int, bytes]]]:
    """Steps and values by tag, as TensorBoard shows them."""
    from tensorboard.backend.event_processing import event_accumulator

    shown = event_accumulator.EventAccumulator(
        str(run_dir / "tensorboard"),
        {event_accumulator.TENSORS: 0},  # all of them
    )
    shown.Reload()
    curves = {}
    for tag in shown.Tags()["tensors"]:
        measured = tag.rpartition("/")[2] in MEASURED
        curves[tag] = [
            (
                event.step,
                b"" if measured else event.tensor_proto.SerializeToString(),
            )
            for event in shown.Tensors(tag)
        ]
    return curves
