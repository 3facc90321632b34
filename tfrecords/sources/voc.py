"""A PASCAL VOC devkit in; photographs with labeled boxes out.

The photographs are `JPEGImages/<id>.jpg`, the ids stand in
`ImageSets/Main/{train,val,test}.txt`, the boxes in `Annotations/<id>.xml`
(1-based, inclusive; converted here, at the door). The paper uses VOC2012
and VOC2007 (section 4).
"""

import functools
import math
import pathlib
import re
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml import ElementTree

from tfrecords import box_formats
from tfrecords.errors import InputError
from tfrecords.image_record import ImageKey
from tfrecords.image_record import ImageRecord
from tfrecords.sources import folder
from tfrecords.sources import source_file
from tfrecords.sources.digest import content_digest
from tfrecords.sources.digest import label_digest

VOC_CLASSES = tuple(
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable "
    "dog horse motorbike person pottedplant sheep sofa train tvmonitor".split()
)
_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_MOST_BYTES = 1 << 24  # of an annotation, which has a thousand or two
_MOST_LISTED = 1 << 30  # bytes of an image list
_SHOWN = 80  # characters of a wrong value, in a message


def find_year_dirs(data_dir: pathlib.Path) -> list[pathlib.Path]:
    """Returns the VOC20xx folders that `data_dir` stands for, sorted.

    `data_dir` may hold a `VOCdevkit` folder, be one, or be a VOC20xx folder.
    """
    if _is_year_dir(data_dir):
        return [data_dir]
    candidates = [
        *data_dir.glob("VOC[0-9]*"),
        *data_dir.glob("VOCdevkit/VOC[0-9]*"),
    ]
    return sorted(path for path in candidates if _is_year_dir(path))


class VocDevkit:
    """One year of PASCAL VOC, with the splits whose lists are there.

    Where neither a train nor a val list is there, trainval is "train".
    """

    name = "voc"
    classes = VOC_CLASSES

    def __init__(self, data_dir: str, seed: int = 0):
        """Finds the year's folder.

        Args:
            data_dir: folder with `VOCdevkit/VOC20xx`, the VOCdevkit itself,
                or a VOC20xx folder.
            seed: unused; VOC's splits are given.

        Raises:
            InputError: if no year or several are found, or it leads
                outside of `data_dir`.
        """
        self._data_dir = folder.existing_folder(
            data_dir, "a folder that holds VOCdevkit/VOC20xx"
        )
        self._year_dir = _only_year_dir(self._data_dir)

    def __reduce__(self):
        """Leaves behind what was listed; a copy opens the folder anew."""
        return type(self), (str(self._data_dir),)

    @staticmethod
    def is_here(data_dir: pathlib.Path) -> bool:
        """Says whether the folder of a year is found."""
        return bool(find_year_dirs(data_dir.absolute()))

    def digest(self) -> str:
        """Returns a SHA-256 of splits, ids, pictures' sizes and annotations."""
        lines = []
        for key in self._keys:
            picture, annotation = _names(key.image_id)
            size = folder.size_inside(self._year_dir, picture)
            labels = label_digest(self._year_dir, annotation, _MOST_BYTES)
            lines.append(f"{key.split} {key.image_id} {size} {labels}")
        return content_digest(self.name, lines)

    def keys(self) -> list[ImageKey]:
        """Returns the photographs of train, val, test, in VOC's order.

        Raises:
            InputError: if a list is missing, empty, or names an id twice or
                as a path.
        """
        return list(self._keys)

    def read(self, key: ImageKey) -> ImageRecord:
        """Returns one photograph's path and objects, parts left out.

        Raises:
            InputError: if picture or annotation are missing or unreadable
                or lead outside of the folder, the XML does not parse, names
                another picture or an unknown class, or a number in it is
                missing or garbled.
        """
        _check_id(key.image_id, "The key")
        picture_path, path = (
            folder.path_inside(self._year_dir, name)
            for name in _names(key.image_id)
        )
        source_file.check_file(picture_path, "picture")
        root = _parsed(path)
        _check_filename(root, path, picture_path)
        objects = root.findall("object")
        with np.errstate(over="ignore"):  # what is absurd becomes infinite
            corners = np.array(
                [_corners(element, path) for element in objects], np.float32
            )
        return ImageRecord(
            key=key,
            image=picture_path,
            boxes=box_formats.from_voc(corners),
            labels=tuple(_label(element, path) for element in objects),
            difficult=np.array(
                [_is_difficult(element, path) for element in objects], bool
            ),
            size=_stated_size(root),
        )

    @functools.cached_property
    def _keys(self) -> list[ImageKey]:
        return _listed_keys(self._year_dir)


def _names(image_id: str) -> tuple[str, str]:
    """Returns the names of picture and annotation in the year's folder."""
    return f"JPEGImages/{image_id}.jpg", f"Annotations/{image_id}.xml"


def _is_year_dir(path: pathlib.Path) -> bool:
    named = re.fullmatch(r"VOC20\d\d", path.name) is not None
    return path.is_dir() and (named or (path / "ImageSets" / "Main").is_dir())


def _only_year_dir(data_dir: pathlib.Path) -> pathlib.Path:
    year_dirs = find_year_dirs(data_dir)
    if not year_dirs:
        raise InputError(
            f"No VOC data in {data_dir}: looked for VOCdevkit/VOC20xx, "
            "VOC20xx and ImageSets/Main in it. Correct --data_dir, or use "
            "--source=image_folder for pictures without annotations."
        )
    if len(year_dirs) > 1:
        raise InputError(
            f"Several years of VOC in {data_dir}: "
            f"{', '.join(path.name for path in year_dirs)}. Name one "
            f"directly, such as --data_dir={year_dirs[-1]}."
        )
    year_dir = year_dirs[0]
    if not year_dir.resolve().is_relative_to(data_dir.resolve()):
        raise InputError(
            f"{year_dir} is a link that leads outside of {data_dir}. Name "
            f"what it leads to: --data_dir={year_dir.resolve()}."
        )
    return year_dir


def _listed_keys(year_dir: pathlib.Path) -> list[ImageKey]:
    lists = {}
    for split in ("train", "val", "test", "trainval"):
        path = folder.path_inside(year_dir, f"ImageSets/Main/{split}.txt")
        if not source_file.is_missing(path):
            lists[split] = path
    trainval_path = lists.pop("trainval", None)
    if trainval_path and "train" not in lists and "val" not in lists:
        lists = {"train": trainval_path, **lists}
    if not lists:
        raise InputError(
            f"No image list in {year_dir}/ImageSets/Main: looked for "
            "train.txt, val.txt, test.txt, trainval.txt. Unpack VOC again."
        )
    keys = []
    seen = set()
    for split, path in lists.items():
        for image_id in _ids(path):
            if image_id in seen:
                raise InputError(
                    f"{path} names {image_id!r}, which was listed before. "
                    "Each id may stand in one list, once."
                )
            seen.add(image_id)
            keys.append(ImageKey(split, image_id))
    return keys


def _ids(path: pathlib.Path) -> list[str]:
    text = source_file.read_text(path, "image list", _MOST_LISTED)
    ids = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not ids:
        raise InputError(f"The image list {path} is empty.")
    for image_id in ids:
        _check_id(image_id, str(path))
    return ids


def _check_id(image_id: str, whose: str) -> None:
    if ".." in image_id or "/" in image_id or "\\" in image_id:
        raise InputError(
            f"{whose} names {image_id!r}; an id is a plain file name "
            "without its extension, never a path."
        )


def _parsed(path: pathlib.Path) -> Element:
    content = source_file.read_file(path, "annotation", _MOST_BYTES)
    try:
        root = ElementTree.fromstring(content, forbid_dtd=True)
    except (ParseError, ValueError, LookupError) as error:
        kind = (
            "has entities or a document type, which is refused"
            if isinstance(error, DefusedXmlException)
            else "is not well-formed XML"
        )
        raise InputError(f"{path} {kind}: {error}") from error
    if root.tag != "annotation":
        raise InputError(
            f"{path} begins with <{root.tag[:_SHOWN]}>. Wanted: <annotation>."
        )
    return root


def _check_filename(
    root: Element, path: pathlib.Path, picture_path: pathlib.Path
) -> None:
    stated = (root.findtext("filename") or "").strip().replace("\\", "/")
    name = stated.rsplit("/", 1)[-1]
    known = (picture_path.name, picture_path.stem, "")
    if name in known or pathlib.PurePath(name).stem == picture_path.stem:
        return
    raise InputError(
        f"{path}: the XML names a picture that is not there: <filename> is "
        f"{name[:_SHOWN]!r}, the picture is {picture_path.name!r}. Correct "
        "the one or the other."
    )


def _stated_size(root: Element) -> tuple[int, int] | None:
    """Returns <size> as (height, width); None where it says nothing."""
    try:
        height = int(root.findtext("size/height") or 0)
        width = int(root.findtext("size/width") or 0)
    except ValueError:
        return None
    return (height, width) if height > 0 and width > 0 else None


def _label(element: Element, path: pathlib.Path) -> str:
    label = (element.findtext("name") or "").strip()
    if label not in VOC_CLASSES:
        raise InputError(
            f"{path}: unknown class {label[:_SHOWN]!r}. Wanted: one of VOC's "
            f"20, {', '.join(VOC_CLASSES)}."
        )
    return label


def _corners(element: Element, path: pathlib.Path) -> list[float]:
    return [_number(element, f"bndbox/{name}", path) for name in _CORNERS]


def _is_difficult(element: Element, path: pathlib.Path) -> bool:
    if element.find("difficult") is None:
        return False
    return _number(element, "difficult", path) != 0


def _number(element: Element, tag: str, path: pathlib.Path) -> float:
    text = element.findtext(tag)
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        found = (
            "missing" if text is None else f"{text[:_SHOWN]!r}, not a number"
        )
        raise InputError(f"{path}: <{tag}> of an object is {found}.")
    return number
