"""The flags of the record builder and the frozen options made of them.

In: absl flags. Out: `BuildOptions`, the only form in which the rest of the
package sees them.
"""

import dataclasses
import hashlib
import pathlib

from absl import flags

from tfrecords.errors import InputError
from tfrecords.path_flag import define_path
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.proposals.yolo_v8 import WEIGHT_NAMES
from tfrecords.sources import SOURCES

LARGEST_SEED = 2**32 - 1  # that NumPy's and Keras's generators take
_PROPOSAL_FLAGS = {
    "boxes_per_image": "Proposals kept per image, at most, best first; 0 "
    "keeps all. All pairs of 8 come to the paper's number (section 4.3).",
    "min_score": "Score under which an EdgeBox or a YOLO region is dropped "
    "(section 4.3).",
    "max_aspect_ratio": "Longest over shortest side of an EdgeBox, at most "
    "(section 4.3).",
    "min_box_area": "Smallest EdgeBox in square pixels.",
    "edge_alpha": "IoU of neighboring boxes in EdgeBoxes' search, in (0, 1); "
    "more finds tighter boxes and takes longer.",
    "edge_beta": "IoU over which EdgeBoxes drops the lesser of two boxes; "
    "less gives fewer boxes and helps recall at low IoU only.",
    "nms_iou": "IoU over which an EdgeBox that overlaps a better one loses "
    "score, and so its rank; 1 ranks by EdgeBoxes' score alone.",
    "uniform_crops": "Crops per image of --proposals=uniform (section 4.3).",
    "uniform_side": "Side of such a crop in pixels (section 4.3).",
    "edge_model": "File of OpenCV's structured-edge model; without one, edges "
    "come from color gradients.",
    "yolo_weights": "Weights of --proposals=yolo: pascalvoc downloads those "
    "of yolo_v8_m_pascalvoc (trained with VOC2012's labels), none draws "
    "random ones to measure time, anything else is a file of Keras weights.",
    "proposals_file": "CSV file of --proposals=file, with the header "
    "image_id,ymin,xmin,ymax,xmax,score; pixels of the upright picture before "
    "--max_side scales it, the whole of it is 0,0,height,width. image_id is "
    "that of the records: the path below --data_dir (plain pictures, csv, "
    "yolo: day1/a.jpg), VOC's id (000012), of COCO the annotation file's name "
    "without instances_ and .json, and the file name "
    "(train2017/000000000009.jpg), of TFRecords file/byte/name.",
    "whole_image": "Take the whole picture as one more proposal.",
}
# Options that may name a file.
_FILE_FLAGS = ("edge_model", "proposals_file", "yolo_weights")


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """What decides the content of the records; each field is a flag.

    Attributes:
        source: a name in SOURCES, or "auto".
        data_dir: folder of the photographs.
        proposals: a name in PROPOSERS.
        proposal_options: the numbers of the proposal method.
        limit_images: most images over all splits; 0 takes all.
        seed: of the sample of images and of every random choice.
        num_shards: files per split; 0 decides by the number of images.
        max_side: longest side of a stored picture in pixels; 0 keeps all.
        on_bad_image: "skip", or "stop" at a photograph that is no good.
    """

    source: str
    data_dir: str
    proposals: str
    proposal_options: ProposalOptions
    limit_images: int
    seed: int
    num_shards: int
    max_side: int = 0
    on_bad_image: str = "skip"

    def content(self, source_name: str) -> dict:
        """Returns the options that decide the bytes, ready for JSON.

        Two builds with equal content and equal pictures are the same. The
        folder is left out, since pictures may move, and so are the paths of
        the proposal method's files: the digests of their bytes stand instead.

        Args:
            source_name: the name that `source` resolved to.

        Raises:
            InputError: if a file of the proposal method cannot be read.
        """
        numbers = dataclasses.asdict(self.proposal_options)
        # Records from before there was this choice are still the same.
        if not numbers["whole_image"]:
            del numbers["whole_image"]
        digests = {name: _digest(name, numbers[name]) for name in _FILE_FLAGS}
        return {
            "source": source_name,
            "proposals": self.proposals,
            **numbers,
            **digests,
            "limit_images": self.limit_images,
            "seed": self.seed,
            "max_side": self.max_side,
            "records_shards": self.num_shards,
        }


@dataclasses.dataclass(frozen=True)
class RunnerOptions:
    """Where a build runs; nothing of it changes what is built.

    Attributes:
        num_workers: processes of this machine; 1 stays in this one, 0 takes
            one per core as far as there is work for them.
        beam_options: Beam's own flags, such as "--runner=FlinkRunner".
        progress: whether to show a progress bar.
    """

    num_workers: int = 0
    beam_options: tuple[str, ...] = ()
    progress: bool = True


def define_flags() -> None:
    """Defines the flags of the record builder; call once per process."""
    flags.DEFINE_enum(
        "source",
        "auto",
        ["auto", *sorted(SOURCES)],
        "What --data_dir holds; auto looks. See BUILD.md for the layouts.",
    )
    define_path(
        "data_dir", "", "Folder of the photographs; synthetic needs none."
    )
    flags.DEFINE_enum(
        "proposals",
        "edge_boxes",
        sorted(PROPOSERS),
        "How the patches of an image are chosen (section 4.3).",
    )
    for name, text in _PROPOSAL_FLAGS.items():
        default = getattr(ProposalOptions(), name)
        if isinstance(default, bool):
            flags.DEFINE_bool(name, default, text)
        elif name in _FILE_FLAGS:
            define_path(name, default, text)
        elif isinstance(default, int):
            flags.DEFINE_integer(name, default, text, lower_bound=0)
        else:
            flags.DEFINE_float(name, default, text, lower_bound=0.0)
    flags.DEFINE_integer(
        "limit_images",
        0,
        "Images to take, drawn from all splits in proportion; 0 takes all.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "max_side",
        0,
        "Longest side of a stored picture in pixels; larger ones are scaled "
        "down and encoded anew. 0 stores every picture as it came.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "Seed of every random choice.",
        lower_bound=0,
        upper_bound=LARGEST_SEED,
    )
    _define_runner()


def options_from_flags(values: flags.FlagValues) -> BuildOptions:
    """Returns the options that the parsed flags `values` ask for."""
    fields = dataclasses.fields(ProposalOptions)
    return BuildOptions(
        source=values.source,
        data_dir=values.data_dir,
        proposals=values.proposals,
        proposal_options=ProposalOptions(
            **{field.name: values[field.name].value for field in fields}
        ),
        limit_images=values.limit_images,
        seed=values.seed,
        num_shards=values.records_shards,
        max_side=values.max_side,
        on_bad_image=values.on_bad_image,
    )


def runner_from_flags(values: flags.FlagValues) -> RunnerOptions:
    """Returns where the parsed flags `values` want to build."""
    return RunnerOptions(values.num_workers, tuple(values.beam_options))


def _define_runner() -> None:
    flags.DEFINE_integer(
        "records_shards",
        0,
        "Record files per split; 0: one per thousand images, 8 at least.",
        lower_bound=0,
    )
    flags.DEFINE_enum(
        "on_bad_image",
        "skip",
        ["skip", "stop"],
        "What to do about a photograph that cannot be used: leave it out, "
        "name it and count it, or stop.",
    )
    flags.DEFINE_integer(
        "num_workers",
        0,
        "Processes that build records; 0: one per core where that pays.",
        lower_bound=0,
    )
    flags.DEFINE_list(
        "beam_options",
        [],
        "Flags of Apache Beam, with commas between, to build elsewhere: "
        "--runner=FlinkRunner,--flink_master=HOST:PORT. The workers must see "
        "photographs and records under the same paths.",
    )


def _digest(name: str, value: str) -> str:
    """Returns the SHA-256 of the file that a flag names; words stay."""
    if value in ("", *WEIGHT_NAMES):
        return value
    try:
        return hashlib.sha256(pathlib.Path(value).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"--{name}={value} cannot be read ({error.strerror}). Correct "
            "the path, or leave the flag out."
        ) from error
