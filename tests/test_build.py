import dataclasses
import hashlib
import subprocess
import sys

import pytest
from small_source import small_options
from small_source import SmallSource

from tfrecords import build as build_module
from tfrecords import shard_worker
from tfrecords.build import build
from tfrecords.errors import InputError
from tfrecords.manifest import MAX_NOTED
from tfrecords.manifest import read_manifest
from tfrecords.options import RunnerOptions
from tfrecords.pair_graph import read_pair_graph
from tfrecords.parts import Parts
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.schema import SCHEMA_VERSION

QUIET = RunnerOptions(num_workers=1, progress=False)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Builds a `SmallSource` in this process, silently."""

    def run(source=None, options=None, folder="records"):
        source = SmallSource() if source is None else source
        monkeypatch.setattr(
            build_module, "open_source", lambda *arguments: source
        )
        return build(options or small_options(), tmp_path / folder, QUIET)

    return run


@pytest.fixture
def nothing_is_built(monkeypatch):
    def refuse(*arguments):
        raise AssertionError("a shard was built")

    return lambda: monkeypatch.setattr(shard_worker, "build_shard", refuse)


def test_the_manifest_says_what_the_records_hold(run, tmp_path):
    boxes = ((2, 3, 12, 23), (10, 4, 20, 99))
    manifest = run(SmallSource(bad=(1,), boxes=boxes))
    assert manifest == read_manifest(tmp_path / "records")
    assert manifest.schema_version == SCHEMA_VERSION
    assert manifest.source == "small"
    assert manifest.classes == ("cat", "dog")
    assert manifest.options["uniform_crops"] == 3
    # Of five train pictures one is bad; three crops have three pairs.
    counts = {
        name: (split.images, split.proposals, split.pairs, split.objects)
        for name, split in manifest.splits.items()
    }
    assert counts == {"train": (4, 12, 12, 8), "val": (3, 9, 9, 6)}
    (skip,) = manifest.skipped
    assert skip == dict(image_id="1", split="train", reason="picture 1 is bad")
    assert manifest.notes == {"box clipped": 7}
    assert manifest.noted == {"box clipped": tuple("0234567")}
    assert set(manifest.versions) == {
        *("beam", "numpy", "opencv", "pillow", "python", "tensorflow")
    }
    shards = [s for split in manifest.splits.values() for s in split.shards]
    assert [shard.images for shard in shards] == [1, 3, 1, 2]
    digests = ""
    for shard in shards:
        content = (tmp_path / "records" / shard.file).read_bytes()
        assert shard.bytes == len(content)
        assert shard.sha256 == hashlib.sha256(content).hexdigest()
        digests += shard.sha256
    assert manifest.digest == hashlib.sha256(digests.encode()).hexdigest()


def test_at_most_a_hundred_images_of_a_note_are_named(run, monkeypatch):
    monkeypatch.setattr(build_module, "MAX_NOTED", 4)
    boxes = ((2, 3, 12, 23), (10, 4, 20, 99))
    manifest = run(SmallSource(7, 5, boxes=boxes))
    assert manifest.notes == {"box clipped": 12}
    assert manifest.noted == {"box clipped": ("0", "1", "10", "11")}
    assert MAX_NOTED == 100


def test_the_records_are_read_as_a_pair_graph(run, tmp_path):
    manifest = run()
    graph = read_pair_graph(tmp_path / "records", ["train", "val"])
    assert graph.image_ids == [key.image_id for key in SmallSource().keys()]
    pairs = sum(split.pairs for split in manifest.splits.values())
    assert len(graph.pairs) == pairs == 24


def test_a_finished_folder_holds_shards_and_manifest_only(run, tmp_path):
    manifest = run()
    shards = [s.file for p in manifest.splits.values() for s in p.shards]
    names = {path.name for path in (tmp_path / "records").iterdir()}
    assert names == {"manifest.json", *shards}


def test_two_builds_are_equal_and_another_seed_is_not(run):
    first = run(folder="first")
    assert run(folder="second") == first
    other = run(options=small_options(seed=1), folder="third")
    assert other.digest != first.digest


def test_finished_records_are_not_built_again(run, nothing_is_built):
    first = run()
    nothing_is_built()
    moved = small_options(data_dir="elsewhere")
    assert run(options=moved) == first


def test_what_a_kill_at_the_very_end_left_is_removed(run, tmp_path):
    first = run()
    parts_dir = tmp_path / "records" / ".parts"
    parts_dir.mkdir()
    (parts_dir / "train-00000-of-00002.tfrecord.done.json").touch()
    assert run() == first
    assert not parts_dir.exists()


def test_a_shard_that_is_gone_is_built_again(run, tmp_path):
    first = run()
    path = tmp_path / "records" / "val-00000-of-00002.tfrecord"
    path.unlink()
    assert run() == first
    assert path.exists()


@pytest.mark.parametrize(
    ("source", "options", "named"),
    [
        (SmallSource(), small_options(seed=5), "seed is 0, wanted was 5"),
        (SmallSource(), small_options(proposals="edge_boxes"), "proposals is"),
        (SmallSource(num_val=2), small_options(), "source_digest is"),
    ],
)
def test_a_folder_of_other_records_is_left_alone(run, source, options, named):
    first = run()
    with pytest.raises(InputError, match=f"{named}.*another --records_dir"):
        run(source, options)
    assert run() == first


def test_a_limit_takes_a_share_of_every_split(run):
    manifest = run(options=small_options(limit_images=4))
    assert {k: v.images for k, v in manifest.splits.items()} == {
        "train": 2,
        "val": 2,
    }


def test_a_build_stopped_by_a_full_disk_goes_on(run, tmp_path, monkeypatch):
    whole = run(folder="whole")
    really_build = shard_worker.build_shard

    def full(task, *arguments):
        if task.split == "val":
            raise InputError("The disk is full")
        return really_build(task, *arguments)

    monkeypatch.setattr(shard_worker, "build_shard", full)
    with pytest.raises(InputError, match="disk is full"):
        run()
    assert not (tmp_path / "records" / "manifest.json").exists()
    left = {path.name for path in (tmp_path / "records").glob("*.tfrecord")}
    assert left <= {f"train-0000{i}-of-00002.tfrecord" for i in (0, 1)}
    monkeypatch.setattr(shard_worker, "build_shard", really_build)
    assert run() == whole


def test_only_bad_pictures_are_an_error_with_reasons(run, tmp_path):
    with pytest.raises(InputError, match="None of the 8.*picture 0 is bad"):
        run(SmallSource(bad=tuple(range(8))))
    assert not (tmp_path / "records" / "manifest.json").exists()


def test_no_pictures_are_an_error(run):
    with pytest.raises(InputError, match="no photographs in --data_dir"):
        run(SmallSource(0, 0))


def test_a_folder_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--records_dir=.*/file/records"):
        run(folder="file/records")


def test_a_missing_data_folder_is_named(tmp_path):
    options = small_options(source="voc", data_dir=str(tmp_path / "nothing"))
    with pytest.raises(InputError, match="nothing"):
        build(options, tmp_path / "records", QUIET)
    assert not (tmp_path / "records").exists()


def test_records_among_the_photographs_are_refused(tmp_path):
    options = small_options(source="image_folder", data_dir=str(tmp_path))
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match="is the folder of the photographs"):
        build(options, tmp_path / "." / "", QUIET)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_what_has_no_pair_is_told_of_with_its_reason(run):
    told = [
        build_module._why_no_pairs(
            dataclasses.replace(run(), options={"proposals": proposals})
        )
        for proposals in ("ground_truth", "edge_boxes")
    ]
    assert "Choose others: --proposals=edge_boxes" in told[0]
    assert "Lower --min_box_area" in told[1]


def test_synthetic_scenes_keep_their_one_pair(tmp_path):
    options = small_options(
        source="synthetic", proposals="ground_truth", limit_images=8
    )
    manifest = build(options, tmp_path, QUIET)
    graph = read_pair_graph(tmp_path, sorted(manifest.splits))
    assert manifest.classes == ("circle", "empty", "square", "triangle")
    assert len(graph.image_ids) == len(graph.pairs) == 8
    circles = graph.labels[graph.pairs[:, 0]]
    assert set(circles) == {manifest.classes.index("circle")}
    assert (graph.patch_image[graph.pairs] == [[i, i] for i in range(8)]).all()


def test_voc_photographs_become_records(scn_data, tmp_path):
    options = small_options(
        source="auto",
        data_dir=str(scn_data / "data"),
        proposals="edge_boxes",
        limit_images=6,
    )
    manifest = build(options, tmp_path, QUIET)
    assert manifest.source == "voc"
    assert {name: split.images for name, split in manifest.splits.items()} == {
        "train": 3,
        "val": 3,
    }
    graph = read_pair_graph(tmp_path, ["train", "val"])
    counts = [split.pairs for split in manifest.splits.values()]
    assert len(graph.pairs) == sum(counts) > 6
    assert (graph.boxes[:, 2:] <= graph.sizes[graph.patch_image]).all()
    assert (graph.object_labels >= 0).all()


def test_the_command_line_builds_and_reports(tmp_path):
    command = [sys.executable, "-m", "tfrecords.build", "--source=synthetic"]
    command += ["--proposals=ground_truth", "--limit_images=4"]
    command += [f"--records_dir={tmp_path}", "--num_workers=1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train: 2 images, 4 proposals, 2 pairs" in done.stdout
    assert read_manifest(tmp_path).digest[:12] in done.stdout


def test_the_command_line_ends_bad_input_without_a_traceback(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(
        build_module.build_options,
        "options_from_flags",
        lambda values: small_options(source="voc", data_dir="/nothing"),
    )
    names = ["records_dir", "num_workers", "beam_options"]
    values = dataclasses.make_dataclass("Flags", names)
    monkeypatch.setattr(
        build_module.flags, "FLAGS", values(str(tmp_path / "a"), 1, [])
    )
    with pytest.raises(SystemExit, match="Error: .*/nothing"):
        build_module.main(["build"])


def test_finished_records_that_leave_some_out_are_refused_by_stop(
    run, tmp_path
):
    source = SmallSource(bad=(1, 6))
    first = run(source)
    message = (
        "records in .*/records leave out 2 photographs, the first is 1: "
        "picture 1 is bad .*another --records_dir.*--on_bad_image=skip"
    )
    with pytest.raises(InputError, match=message):
        run(source, small_options(on_bad_image="stop"))
    assert run(source) == first
    whole = run(folder="whole")
    again = run(options=small_options(on_bad_image="stop"), folder="whole")
    assert again == whole


def test_shards_that_leave_some_out_are_not_gone_on_with_by_stop(
    run, tmp_path, monkeypatch
):
    source = SmallSource(bad=(1,))
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "write_manifest", _stopped)
        with pytest.raises(InputError, match="stopped at the end"):
            run(source)
    with pytest.raises(InputError, match="leave out 1 photographs"):
        run(source, small_options(on_bad_image="stop"))
    assert not (tmp_path / "records" / "manifest.json").exists()
    assert len(run(source).skipped) == 1


def _stopped(*arguments):
    raise InputError("stopped at the end")


def test_a_folder_in_which_a_build_is_at_work_is_left_alone(
    run, tmp_path, nothing_is_built
):
    records_dir = tmp_path / "records"
    with Parts(records_dir).held():
        nothing_is_built()
        message = f"Another build is writing to {records_dir}: wait for it"
        with pytest.raises(InputError, match=message):
            run()
        assert [path.name for path in records_dir.iterdir()] == [".parts"]


def test_what_another_build_has_finished_meanwhile_is_taken(
    run, tmp_path, monkeypatch, nothing_is_built
):
    def other_build(*arguments):
        """Ends between the first look and the lock."""
        monkeypatch.setattr(build_module, "plan_shards", plan)
        nonlocal first
        first = run()
        nothing_is_built()
        return plan(*arguments)

    first, plan = None, build_module.plan_shards
    monkeypatch.setattr(build_module, "plan_shards", other_build)
    assert run() == first
    assert not (tmp_path / "records" / ".parts").exists()


def test_other_records_that_were_finished_meanwhile_are_left_as_they_are(
    run, tmp_path, monkeypatch
):
    def other_build(*arguments):
        monkeypatch.setattr(build_module, "plan_shards", plan)
        run(options=small_options(seed=1))
        return plan(*arguments)

    plan = build_module.plan_shards
    monkeypatch.setattr(build_module, "plan_shards", other_build)
    with pytest.raises(InputError, match="holds other records: seed is 1"):
        run(SmallSource())
    assert not (tmp_path / "records" / ".parts").exists()


def test_parts_of_a_build_at_work_beside_finished_records_stay(run, tmp_path):
    run()
    with Parts(tmp_path / "records").held():
        run()
        assert (tmp_path / "records" / ".parts").exists()


def test_a_proposals_file_of_other_photographs_is_refused(run, tmp_path):
    path = tmp_path / "boxes.csv"
    header = "image_id,ymin,xmin,ymax,xmax,score\n"
    path.write_text(f"{header}VOC/7,1,2,9,9,1\n")
    options = ProposalOptions(proposals_file=str(path))
    options = small_options(proposals="file", proposal_options=options)
    with pytest.raises(InputError, match="not one line.*'0'.*'VOC/7'"):
        run(options=options)
    assert not (tmp_path / "records").exists()
    path.write_text(f"{header}VOC/7,1,2,9,9,1\n7,1,2,9,9,1\n")
    assert run(options=options).splits["val"].proposals == 1
