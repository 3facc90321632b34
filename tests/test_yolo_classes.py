import pytest

from tfrecords.errors import InputError
from tfrecords.sources.yolo_classes import class_names


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("data.yaml", "names: [dog, car]", {0: "dog", 1: "car"}),
        ("data.yaml", "names:\n  0: dog\n  5: car\n", {0: "dog", 5: "car"}),
        ("data.yaml", "names: [1, 2]", {0: "1", 1: "2"}),
        ("data.yaml", "nc: 2\ntrain: ../x\n", None),
        ("data.yaml", "", None),
        ("data.yaml", "names: ['yes', \"no\"]", {0: "yes", 1: "no"}),
        ("data.yml", "names: [dog]", {0: "dog"}),
        ("coco128.yaml", "names: [dog]", {0: "dog"}),
        ("coco128.yml", "names: [dog]", {0: "dog"}),
        ("classes.txt", "dog\ncar \n\n", {0: "dog", 1: "car"}),
        ("obj.names", "dog\r\ncar\r\n", {0: "dog", 1: "car"}),
        ("labels/classes.txt", "dog", {0: "dog"}),
        ("classes.txt", "", None),
        ("other.txt", "dog", None),
    ],
)
def test_names_are_found_in_each_file(tmp_path, file, text, names):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(text.encode())
    assert class_names(tmp_path) == names


def test_the_yaml_comes_first_and_a_blank_line_keeps_its_number(tmp_path):
    (tmp_path / "classes.txt").write_text("a\n\nc\n")
    assert class_names(tmp_path) == {0: "a", 1: "", 2: "c"}
    (tmp_path / "data.yaml").write_text("names: [x]")
    (tmp_path / "other.yaml").write_text("names: [y]")
    (tmp_path / "other.yml").write_text("names: [z]")
    assert class_names(tmp_path) == {0: "x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: [", "not valid yaml"),
        ("names: dog", "`names` is dog"),
        ("names: []", r"`names` is \[\]"),
        ("names: {a: b}", "`names` is {'a': 'b'}"),
        ("names: [[a]]", r"`names` is \[\['a'\]\]"),
        ("names: [cat, no]", "class 1 is read as False.*in quotes"),
        ("names: {3: yes}", "class 3 is read as True.*in quotes"),
        ("names: [1.5]", r"`names` is \[1.5\]"),
        ("a: &a [x]\nnames: *a", "has references"),
        ("names: [a]\nkpt_shape: [17, 3]", "kpt_shape"),
        ("!!python/object/apply:os.system ['touch x']", "not valid yaml"),
        ("[" * 10**6, "more than 20 levels"),
        ("x: 2024-99-99", "not valid yaml"),
        ("#" * (1 << 21), "too large"),
    ],
)
def test_a_yaml_that_cannot_be_used_is_refused(tmp_path, text, message):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(InputError, match=f"data.yaml.*{message}"):
        class_names(tmp_path)
    assert not (tmp_path / "x").exists()


def test_names_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="classes.txt is not a text file"):
        class_names(tmp_path)


def test_a_link_that_leads_outside_is_refused(tmp_path):
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (tmp_path / "secret").write_text("secret")
    (data_dir / "classes.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="classes.txt is a link that leads"):
        class_names(data_dir)
