"""The neighbours command: what it finds, draws, keeps and refuses."""

import shutil

import pytest
from PIL import Image
from small_pictures import write_module
from small_pictures import write_pictures

from scn_tf import embed
from scn_tf import neighbours


@pytest.fixture
def folder(tmp_path):
    write_pictures(tmp_path / "in", 6)
    # A twin of one of them, under another name.
    shutil.copy(tmp_path / "in/a/2.png", tmp_path / "in/twin.png")
    write_module(tmp_path / "module")
    return tmp_path


def run(folder, query, *more, module="module"):
    return neighbours.main(
        [
            "scn_tf.neighbours",
            f"--module={folder / module}",
            f"--images={folder / 'in'}",
            f"--query={query}",
            f"--output={folder / 'out' / 'sheet.png'}",
            *more,
        ]
    )


def found(capsys):
    """Names and similarities of the printed list."""
    lines = [
        line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()
    ]
    return [(line[2], float(line[1])) for line in lines if line[0].isdecimal()]


def test_the_nearest_of_a_picture_is_its_twin_and_not_itself(folder, capsys):
    assert run(folder, folder / "in/a/2.png") == 0
    (first, similarity), *others = found(capsys)
    assert (first, similarity) == ("twin.png", 1.0)
    assert len(others) == 5
    assert "a/2.png" not in [name for name, _ in others]
    similarities = [similarity for _, similarity in others]
    assert similarities == sorted(similarities, reverse=True)
    with Image.open(folder / "out/sheet.png") as sheet:
        assert sheet.size[0] > 1000


def test_a_query_from_elsewhere_leaves_none_out(folder, capsys):
    shutil.copy(folder / "in/b/3.png", folder / "elsewhere.png")
    assert run(folder, folder / "elsewhere.png", "--number=2") == 0
    assert [name for name, _ in found(capsys)][0] == "b/3.png"


def test_a_name_in_the_folder_is_a_query(folder, capsys):
    assert run(folder, "twin.png", "--number=1") == 0
    assert found(capsys) == [("a/2.png", 1.0)]


def test_a_file_that_is_there_is_the_query_and_not_its_namesake(
    folder, capsys, monkeypatch
):
    monkeypatch.chdir(folder)
    shutil.copy(folder / "in/b/3.png", "twin.png")
    assert run(folder, "twin.png", "--number=1") == 0
    ((name, similarity),) = found(capsys)
    assert (name, round(similarity, 3)) == ("b/3.png", 1.0)
    (folder / "twin.png").unlink()
    assert run(folder, "twin.png", "--number=1") == 0
    assert found(capsys) == [("a/2.png", 1.0)]
    # A path into --images is still the picture there, which is left out.
    assert run(folder, "in/twin.png", "--number=1") == 0
    assert found(capsys) == [("a/2.png", 1.0)]


def test_a_second_query_computes_no_picture_again(folder, capsys, monkeypatch):
    assert run(folder, "twin.png") == 0
    first = found(capsys)
    number = []
    original = neighbours.FeatureModule.__call__

    def count(self, images):
        number.append(len(images))
        return original(self, images)

    monkeypatch.setattr(neighbours.FeatureModule, "__call__", count)
    assert run(folder, "twin.png") == 0
    # Two black pictures as the probe, and the query.
    assert number == [2, 1]
    assert found(capsys) == first
    # Another module computes its own.
    number.clear()
    write_module(folder / "other", scale=2.0)
    assert run(folder, "twin.png", module="other") == 0
    assert number == [2, 7, 1]


def embedded(folder):
    code = embed.main(
        [
            "scn_tf.embed",
            f"--module={folder / 'module'}",
            f"--images={folder / 'in'}",
            f"--output={folder / 'f.npy'}",
        ]
    )
    assert code == 0
    return f"--features={folder / 'f.npy'}"


def test_features_of_the_embed_command_give_the_same(folder, capsys):
    assert run(folder, "a/4.png") == 0
    expected = found(capsys)
    features = embedded(folder)
    shutil.rmtree(folder / "out")
    capsys.readouterr()
    assert run(folder, "a/4.png", features) == 0
    assert found(capsys) == expected
    assert [path.name for path in (folder / "out").iterdir()] == ["sheet.png"]


def test_features_of_something_else_are_refused(folder, capsys):
    features = embedded(folder)
    write_module(folder / "other", scale=2.0)
    assert run(folder, "a/4.png", features, module="other") == 1
    assert "by another module" in capsys.readouterr().err
    write_pictures(folder / "in", 1, first=6)
    assert run(folder, "a/4.png", features) == 1
    assert "scn_tf.embed" in capsys.readouterr().err
    assert run(folder, "a/4.png", f"--features={folder / 'g.npy'}") == 1
    assert "cannot be read" in capsys.readouterr().err


def test_bad_pictures_are_reported_and_left_out(folder, capsys):
    (folder / "in/a/0.png").write_bytes(b"junk")
    assert run(folder, "twin.png") == 0
    output = capsys.readouterr().out
    assert "1 left out:" in output and "0.png: it is no picture" in output
    assert "5 of 6 images" in output


def test_a_query_that_is_no_picture_is_refused(folder, capsys):
    assert run(folder, "none.png") == 1
    assert "--query=none.png is no file" in capsys.readouterr().err
    (folder / "bad.png").write_bytes(b"junk")
    assert run(folder, folder / "bad.png") == 1
    assert "it is no picture" in capsys.readouterr().err
    assert run(folder, "twin.png", "--output=sheet.jpg") == 1
    assert "must end in .png" in capsys.readouterr().err


def test_a_sheet_among_the_pictures_is_refused(folder, capsys):
    assert run(folder, "twin.png", f"--output={folder / 'in' / 's.png'}") == 1
    assert "lies in --images" in capsys.readouterr().err


def test_a_folder_is_not_replaced_by_a_sheet(folder, capsys):
    mine = folder / "mine.png" / "mine.txt"
    mine.parent.mkdir()
    mine.touch()
    assert run(folder, "twin.png", f"--output={mine.parent}") == 1
    assert "is a folder; wanted: a file" in capsys.readouterr().err
    assert mine.is_file()


def test_a_folder_with_the_query_alone_has_no_neighbors(folder, capsys):
    shutil.rmtree(folder / "in/a")
    shutil.rmtree(folder / "in/b")
    assert run(folder, "twin.png") == 1
    assert "no picture besides the query" in capsys.readouterr().err
