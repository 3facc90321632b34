"""The networks that SCN can tune, each as a frozen trunk and a trained neck.

In: a name of BACKBONES, where to cut, which weights. Out: a Backbone.
"""

import difflib

from scn_tf.backbones.applications import APPLICATIONS
from scn_tf.backbones.backbone import Backbone
from scn_tf.backbones.cnn_m import CNN_M
from scn_tf.backbones.cut import cut_network
from scn_tf.backbones.cut import frozen_copy
from scn_tf.backbones.small_cnn import SMALL_CNN
from scn_tf.backbones.weights import load_weights
from scn_tf.initial_weights import initializers_seeded
from tfrecords.errors import InputError

__all__ = ["BACKBONES", "build_backbone", "frozen_copy"]

BACKBONES = {
    "cnn_m": CNN_M,
    "inception_v3": APPLICATIONS["inception_v3"],
    "mobilenet_v2": APPLICATIONS["mobilenet_v2"],
    "resnet50": APPLICATIONS["resnet50"],
    "small_cnn": SMALL_CNN,
    "vgg16": APPLICATIONS["vgg16"],
    "vgg19": APPLICATIONS["vgg19"],
}


def build_backbone(
    name: str,
    train_from: str = "",
    weights: str = "none",
    image_size: int = 0,
    seed: int = 0,
    fc6_width: int = 0,
    fc7_width: int = 0,
) -> Backbone:
    """Builds a network and cuts it where training begins.

    Args:
        name: key of BACKBONES.
        train_from: first trained layer or stage; "input" trains everything;
            "" is the network's default (fc6 where it has one, else its last
            stage).
        weights: "none" (random, from `seed`), "imagenet" (Keras downloads
            them) or the path of a weights file, see `load_weights`.
        image_size: side of the images in pixels; 0 is the network's own.
        seed: of the random weights; the same seed gives the same weights.
        fc6_width: units of fc6; 0 is the network's own number.
        fc7_width: units of fc7; 0 is the network's own number.

    Returns:
        The backbone; its trunk is frozen.

    Raises:
        InputError: an unknown name or layer, an image too small, a width
            that the network cannot have, weights that are missing or of
            another network.
    """
    if name not in BACKBONES:
        close = difflib.get_close_matches(name, BACKBONES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InputError(
            f"Unknown backbone {name!r}.{hint} Known backbones: "
            f"{', '.join(BACKBONES)}."
        )
    network = BACKBONES[name]
    image_size = image_size or network.image_size
    if image_size < network.min_image_size:
        raise InputError(
            f"Images of {image_size} pixels are too small for {name}: it "
            f"needs at least {network.min_image_size} and was made for "
            f"{network.image_size}. Choose a larger --image_size."
        )
    imagenet = weights == "imagenet"
    if imagenet and not network.has_imagenet:
        raise InputError(
            f"No ImageNet weights of {name} can be downloaded. Give --weights "
            "a file that you have, or 'none' for random weights."
        )
    widths = _given_widths(name, fc6_width, fc7_width)
    with initializers_seeded(seed):
        model = network.build(image_size, imagenet, **widths)
    cut = train_from or network.default_cut
    trunk, neck = cut_network(model, cut, network.stages)
    if weights not in ("none", "imagenet"):
        load_weights(model, weights)
    return Backbone(name, cut, image_size, trunk, neck)


def _given_widths(name: str, fc6_width: int, fc7_width: int) -> dict[str, int]:
    """Returns the widths that are not the network's own, as arguments."""
    widths = {"fc6_width": fc6_width, "fc7_width": fc7_width}
    widths = {flag: width for flag, width in widths.items() if width}
    if widths and not BACKBONES[name].has_widths:
        raise InputError(
            f"The layers of {name} have the widths that Keras gives them: "
            f"leave --{' and --'.join(widths)} at 0, or choose a network "
            "whose fc6 and fc7 may have others: "
            f"{', '.join(n for n in BACKBONES if BACKBONES[n].has_widths)}."
        )
    return widths
