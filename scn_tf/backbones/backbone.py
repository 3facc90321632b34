"""A network cut in two: the frozen trunk and the trained neck."""

import dataclasses

import keras


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor, cut where training begins.

    Attributes:
        name: key in BACKBONES.
        cut: name of the first trained layer, or "input".
        image_size: side in pixels of the square images it takes.
        trunk: [B, S, S, 3] float32 images in [0, 1] -> feature map. Frozen;
            holds the network's own preprocessing.
        neck: feature map -> [B, D] float32 feature vector (h1).
    """

    name: str
    cut: str
    image_size: int
    trunk: keras.Model
    neck: keras.Model

    @property
    def num_features(self) -> int:
        """Length D of the feature vector."""
        return self.neck.output_shape[-1]
