import numpy as np
import pytest

from tfrecords.errors import InputError
from tfrecords.sources.csv_file import CsvFile


def test_rows_in_any_order_come_together(tmp_path):
    # An independent grouping of 300 rows of 20 photographs, with a dict.
    rng = np.random.default_rng(0)
    expected = {}
    lines = ["filename,xmin,ymin,xmax,ymax,class,split,difficult"]
    for _ in range(300):
        index, label, flag = rng.integers([20, 3, 2]).tolist()
        corners = rng.integers(0, 99, 4).tolist()
        split = ("train", "val")[index % 2]
        expected.setdefault((f"{index}.jpg", split), []).append(
            (corners, "abc"[label], bool(flag))
        )
        numbers = ",".join(map(str, corners))
        lines.append(f"{index}.jpg,{numbers},{'abc'[label]},{split},{flag}")
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join(lines))
    file = CsvFile(path)
    assert list(file.listed()) == list(expected)
    assert sorted(file.classes) == ["a", "b", "c"]
    for (name, _), boxes in expected.items():
        corners, labels, difficult, size = file.rows(name)
        np.testing.assert_array_equal(corners, [box[0] for box in boxes])
        assert labels == tuple(box[1] for box in boxes)
        assert difficult.tolist() == [box[2] for box in boxes]
        assert size is None


def test_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="gone.csv cannot be read .No such"):
        CsvFile(tmp_path / "gone.csv")
