import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.proposals import file as module
from tfrecords.proposals.file import propose_file
from tfrecords.proposals.file import require_match
from tfrecords.proposals.proposals import ProposalOptions

_HEADER = "image_id,ymin,xmin,ymax,xmax,score\n"


@pytest.fixture
def propose(tmp_path):
    """Writes a file and asks for one picture of 20 x 30 pixels."""
    path = tmp_path / "boxes.csv"

    def ask(text, image_id="a", size=None, **options):
        path.write_text(_HEADER + text)
        module._table.cache_clear()
        return _ask(path, image_id, size, **options)

    return ask


def _ask(path, image_id="a", size=None, **options):
    record = ImageRecord(
        key=ImageKey("train", image_id),
        image=b"",
        boxes=np.zeros((0, 4), np.float32),
        labels=(),
        difficult=np.zeros(0, bool),
        size=size,
    )
    options = ProposalOptions(proposals_file=str(path), **options)
    return propose_file(np.zeros((20, 30, 3)), record, options, None)


def test_a_picture_gets_its_lines_best_first(propose):
    text = "b,0,0,9,9,7\na,1,2,3,4,0.5\na,5,6,7.5,8,-3\na,0,0,5,5,0.75\n"
    found = propose(text)
    np.testing.assert_array_equal(
        found.boxes, [[0, 0, 5, 5], [1, 2, 3, 4], [5, 6, 7.5, 8]]
    )
    np.testing.assert_array_equal(found.scores, np.float32([0.75, 0.5, -3]))
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert found.labels == ("", "", "")
    np.testing.assert_array_equal(propose(text, "b").scores, [7])


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (2, 2), (8, 3), (0, 3)])
def test_the_best_are_kept_and_0_keeps_all(propose, limit, count):
    text = "a,1,1,3,3,1\na,2,2,4,4,2\na,3,3,5,5,3\n"
    scores = propose(text, boxes_per_image=limit).scores
    np.testing.assert_array_equal(scores, [3, 2, 1][:count])


def test_equal_scores_keep_the_order_of_the_file(propose):
    found = propose("a,1,1,3,3,1\na,2,2,4,4,1\na,0,0,5,5,1\n")
    np.testing.assert_array_equal(found.boxes[:, 0], [1, 2, 0])


def test_a_picture_without_lines_has_no_boxes(propose):
    for text in ("", "b,1,1,3,3,1\n"):
        found = propose(text)
        assert found.boxes.shape == (0, 4) and found.labels == ()
        assert found.notes == ("not in the proposals file",)
    assert propose("a,1,1,3,3,1\n").notes == ()


def test_unusable_boxes_are_dropped_before_the_best_are_kept(propose):
    text = "a,9,9,3,3,9\na,1,1,1,5,8\na,40,1,50,5,7\na,nan,1,2,3,6\n"
    found = propose(text + "a,-4,5,99,99,1\n", boxes_per_image=1)
    np.testing.assert_array_equal(found.boxes, [[0, 5, 20, 30]])
    assert found.dropped == ("inverted", "empty", "outside", "not finite")


@pytest.mark.parametrize(
    "line",
    [
        "a,1,2,3,4",
        "a,1,2,3,4,5,6",
        "a,1,2,three,4,5",
        "a,1,2,3,4,nan",
        ",1,2,3,4,5",
    ],
)
def test_a_malformed_line_is_named_by_its_number(propose, line):
    with pytest.raises(InputError, match=f"csv, line 3: '{line}' is no box"):
        propose(f"a,1,2,3,4,5\n{line}\n")


def test_another_header_is_refused(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("id,x,y\n")
    with pytest.raises(InputError, match="line 1: the header is 'id,x,y'. Wan"):
        _ask(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="none.csv cannot be read .No such"):
        _ask(tmp_path / "none.csv")
    with pytest.raises(InputError, match="needs a file.*--proposals_file"):
        _ask("")
    path = tmp_path / "boxes.csv"
    path.write_bytes(_HEADER.encode() + b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a CSV file in UTF-8"):
        _ask(path)


def test_many_pictures_keep_their_lines_apart(propose):
    lines = [f"{i % 500},1,2,{i + 3},9,{i}" for i in range(50_000)]
    found = propose("\n".join(lines), "7", boxes_per_image=0)
    np.testing.assert_array_equal(found.scores, np.arange(49_507, 0, -500))


def test_boxes_are_scaled_with_the_picture(propose):
    # The file has pixels of 40 x 120, the picture is 20 x 30.
    text = "a,10,40,30,100,2\na,0,0,40,120,1\n"
    found = propose(text, size=(40, 120))
    np.testing.assert_array_equal(
        found.boxes, [[5, 10, 15, 25], [0, 0, 20, 30]]
    )
    assert found.boxes.dtype == np.float32
    np.testing.assert_array_equal(
        propose(text, size=(20, 30)).boxes, propose(text).boxes
    )


def _require_match(path, *image_ids):
    require_match(ProposalOptions(proposals_file=str(path)), image_ids)


def test_a_file_of_other_pictures_is_refused_with_both_ids(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(_HEADER + "x/a,1,2,3,4,5\nx/b,1,2,3,4,5\n")
    _require_match(path, "c", "x/b")
    message = "not one line.*One of their ids is 'a'.*its first is 'x/a'"
    with pytest.raises(InputError, match=message):
        _require_match(path, "b", "a")
    path.write_text(_HEADER)
    with pytest.raises(InputError, match="'a'; of the file, it has no lines"):
        _require_match(path, "a")


def test_the_file_is_read_up_to_the_first_match(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(_HEADER + "b,1,2,3,4,5\na,1,2,3,4,5\nno box")
    _require_match(path, "a")
    with pytest.raises(InputError, match="line 4: 'no box' is no box"):
        _require_match(path, "c")
    with pytest.raises(InputError, match="none.csv cannot be read"):
        _require_match(tmp_path / "none.csv", "a")
