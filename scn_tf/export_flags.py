"""What the export stage writes: flags and options.

In: absl flags. Out: `ExportOptions`. The export itself is in `export`, which
nothing but the stages knows; the values of its options stand here.
"""

import dataclasses

from absl import flags

EXPORT_FEATURES = ("tuned", "joined")
INFERENCE_PRECISIONS = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What the module gives, and how it computes; each is a flag.

    Attributes:
        export_features: "tuned", h1; "joined", h1 beside the features of the
            network as it came, each vector of unit length.
        inference_precision: of the network's activations.
    """

    export_features: str = "tuned"
    inference_precision: str = "float32"


def define_flags() -> None:
    """Defines the flags of the export; call once per process."""
    default = ExportOptions()
    flags.DEFINE_enum(
        "export_features",
        default.export_features,
        EXPORT_FEATURES,
        "Features of the exported module: h1, or h1 beside the features of "
        "the network as it came, each of unit length, on one trunk.",
    )
    flags.DEFINE_enum(
        "inference_precision",
        default.inference_precision,
        INFERENCE_PRECISIONS,
        "Precision of the exported network where it is not trained; weights "
        "and features are float32.",
    )
