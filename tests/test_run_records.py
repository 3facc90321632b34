"""Where a run's records come from, and what is linked."""

import pathlib

from scn_tf import run_records

ROOT = pathlib.Path(__file__).parents[1]
DEMO = f"--flagfile={ROOT}/scn_tf/flagfiles/demo.flags"


def test_records_of_another_place_are_linked(demo_run, command, tmp_path):
    arguments = [f"--run_dir={tmp_path}/run", "--stages=records"]
    records = f"--records_dir={demo_run}/records"
    assert command(DEMO, records, *arguments) == 0
    link = tmp_path / "run" / "records"
    assert link.is_symlink()
    assert link.resolve() == (demo_run / "records").resolve()


def test_given_records_that_are_not_those_of_the_flags_are_told_of_once(
    demo_run, command, tmp_path, caplog
):
    arguments = [
        *(DEMO, "--source=auto", f"--records_dir={demo_run}/records"),
        *(f"--run_dir={tmp_path}/run", "--stages=records", "--seed=5"),
    ]
    assert command(*arguments) == 0

    def warnings() -> list[str]:
        return [r.message for r in caplog.records if r.levelname == "WARNING"]

    # Another seed alone is no other kind of records.
    assert warnings() == []
    other = ("--boxes_per_image=3", "--proposals=uniform", "--whole_image")
    for _ in range(2):
        assert command(*arguments, *other) == 0
    (told,) = warnings()
    assert f"The records in {demo_run}/records are not what the flags" in told
    assert "--boxes_per_image: they have 0, the flags say 3." in told
    assert "--proposals: they have ground_truth, the flags say uniform." in told
    assert "--whole_image: they have False, the flags say True." in told
    assert told.count("--") == 3
    flags = (tmp_path / "run" / "flags.txt").read_text()
    assert "--boxes_per_image=3\n" in flags


def test_without_the_records_stage_they_are_looked_at_all_the_same(
    demo_run, command, tmp_path, caplog
):
    """Photographs beside given records would be passed over in silence."""
    code = command(
        *(DEMO, "--source=auto", f"--data_dir={tmp_path}"),
        *(f"--records_dir={demo_run}/records", f"--run_dir={tmp_path}/run"),
        *("--stages=train", "--epochs=1", "--proposals=uniform"),
    )
    assert code == 0
    told = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert f"--data_dir={tmp_path} is not looked at: --stages leaves" in told[0]
    assert "--proposals: they have ground_truth, the flags say uni" in told[1]


def test_a_digest_is_told_in_a_few_digits():
    assert run_records._short("ab" * 32) == "a file of digest abababababab"
    assert run_records._short("") == "none"
    assert run_records._short(False) == "False"


def test_given_records_need_no_file_of_their_making(
    demo_run, command, tmp_path, caplog
):
    code = command(
        *(DEMO, "--source=auto", f"--records_dir={demo_run}/records"),
        *(f"--run_dir={tmp_path}/run", "--stages=records"),
        f"--edge_model={tmp_path}/gone.yml",
    )
    assert code == 0
    (told,) = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "gone.yml cannot be read" in told


def test_a_link_to_records_stays_what_it_is(demo_run, command, tmp_path):
    link = tmp_path / "run" / "records"
    link.parent.mkdir()
    link.symlink_to(demo_run / "records")
    for _ in range(2):
        arguments = (f"--run_dir={tmp_path}/run", "--stages=records")
        assert command(DEMO, *arguments) == 0
        assert link.resolve() == (demo_run / "records").resolve()


def test_records_may_have_a_seed_of_their_own(demo_run, command, tmp_path):
    arguments = [
        f"--run_dir={tmp_path}/run",
        f"--records_dir={demo_run}/records",
        "--stages=records",
        "--seed=5",
    ]
    assert command(DEMO, *arguments) == 1
    assert command(DEMO, *arguments, "--records_seed=0") == 0
