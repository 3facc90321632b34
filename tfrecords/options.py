"""The flags of the record builder and the frozen options made of them.

In: absl flags. Out: `BuildOptions`, the only form in which the rest of the
package sees them.
"""

import dataclasses
import hashlib
import pathlib

from absl import flags

from tfrecords.errors import InputError
from tfrecords.proposals import PROPOSERS
from tfrecords.proposals.proposals import ProposalOptions
from tfrecords.sources import SOURCES

_PROPOSAL_FLAGS = {
    "boxes_per_image": "Proposals kept per image, at most, best first; 0 "
    "keeps all. All pairs of 8 come to the paper's number (section 4.3).",
    "min_score": "Score under which an EdgeBox is dropped (section 4.3).",
    "max_aspect_ratio": "Longest over shortest side of an EdgeBox, at most "
    "(section 4.3).",
    "min_box_area": "Smallest EdgeBox in square pixels.",
    "uniform_crops": "Crops per image of --proposals=uniform (section 4.3).",
    "uniform_side": "Side of such a crop in pixels (section 4.3).",
}


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
        on_bad_image: "skip", or "stop" at a photograph that is no good.
    """

    source: str
    data_dir: str
    proposals: str
    proposal_options: ProposalOptions
    limit_images: int
    seed: int
    num_shards: int
    on_bad_image: str = "skip"

    def content(self, source_name: str) -> dict:
        """Returns the options that decide the bytes, ready for JSON.

        Two builds with equal content and equal pictures are the same. The
        folder is left out, since pictures may move, and so is the edge
        model's: the digest of its bytes stands instead.

        Args:
            source_name: the name that `source` resolved to.

        Raises:
            InputError: if the edge model's file cannot be read.
        """
        edge_model = self.proposal_options.edge_model
        return {
            "source": source_name,
            "proposals": self.proposals,
            **dataclasses.asdict(self.proposal_options),
            "edge_model": _digest(edge_model) if edge_model else "",
            "limit_images": self.limit_images,
            "seed": self.seed,
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
        "Kind of --data_dir; auto takes voc where there is a VOCdevkit, else "
        "image_folder.",
    )
    flags.DEFINE_string(
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
        if isinstance(default, int):
            flags.DEFINE_integer(name, default, text, lower_bound=0)
        else:
            flags.DEFINE_float(name, default, text, lower_bound=0.0)
    flags.DEFINE_string(
        "edge_model",
        "",
        "File of OpenCV's structured-edge model; without one, edges come "
        "from color gradients.",
    )
    flags.DEFINE_integer(
        "limit_images",
        0,
        "Images to take, drawn from all splits in proportion; 0 takes all.",
        lower_bound=0,
    )
    flags.DEFINE_integer("seed", 0, "Seed of every random choice.")
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


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"--edge_model={path} cannot be read ({error.strerror}). Name "
            "OpenCV's structured-edge model file, or leave the flag out to "
            "take edges from color gradients."
        ) from error
