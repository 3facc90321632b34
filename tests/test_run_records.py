"""Where a run's records come from, and what is linked."""

import pathlib

ROOT = pathlib.Path(__file__).parents[1]
DEMO = f"--flagfile={ROOT}/scn_tf/flagfiles/demo.flags"


def test_records_of_another_place_are_linked(demo_run, command, tmp_path):
    arguments = [f"--run_dir={tmp_path}/run", "--stages=records"]
    records = f"--records_dir={demo_run}/records"
    assert command(DEMO, records, *arguments) == 0
    link = tmp_path / "run" / "records"
    assert link.is_symlink()
    assert link.resolve() == (demo_run / "records").resolve()


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
