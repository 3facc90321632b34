"""The card of a module: what a stranger reads first, as Markdown.

In: `CardFacts`, plain data. Out: the text of README.md. What is not known
stands there as not known; nothing is guessed.
"""

from export.card.card_data import data_text
from export.card.card_facts import CardFacts
from export.card.card_snippets import snippets
from export.card.card_verdict import verdict_text
from export.card.markdown import bullets
from export.card.markdown import table

_UNKNOWN = "not known"
_PAPER = "[Spatial Context Networks](https://arxiv.org/abs/1704.02998)"
# The recipe: what a reader asks for first. All others stand in flags.txt.
_RECIPE = {
    "epochs": "passes over the pairs that were asked for",
    "head_epochs": "of these, first ones in which the network is held",
    "batch_pairs": "pairs per step",
    "batching": "what is shuffled",
    "learning_rate": "of SGD",
    "drop_epoch": "epoch from which it is lower",
    "drop_factor": "by this factor",
    "neck_rate": "factor on it for the network's trained layers",
    "neck_blend": "share of what they learned that they keep",
    "momentum": "of SGD",
    "weight_decay": "pull of the weights",
    "neck_decay": "where to, of the network's trained layers",
    "neck_decay_factor": "factor on it for them",
    "offset_gain": "factor on offsets; 0 is blind to them",
    "offset_unit": "unit of offsets",
    "offset_control": "whether offsets were spoiled as a control",
    "targets": "what is predicted of the target patch",
    "precision": "of the layers that are not trained",
    "training_precision": "of the layers that are trained",
    "seed": "of every random choice",
    "checkpoint": "which one is exported",
}

_JUDGED = {
    "tuned": "the features of the trained network alone",
    "joined": "the features of the trained network joined with those of the "
    "network as it came",
}


def model_card(facts: CardFacts) -> str:
    """Returns the text of a module's README.md.

    Args:
        facts: what it tells.
    """
    blocks = [
        f"# {facts.module_name}: an image feature vector",
        _sentence(facts),
        "## Use",
        *_use(facts),
        "## Input and output",
        *_contract(facts),
        "## Verdict",
        verdict_text(
            facts.verdict, facts.checkpoint_step, _reservations(facts)
        ),
        "## What it was made from",
        _origin(facts),
        "## Data",
        data_text(
            facts.manifest,
            facts.train_splits,
            facts.flags.get("max_pair_iou"),
            facts.flags.get("train_split"),
        ),
        "## Recipe",
        *_recipe(facts),
        "## Licenses",
        *_licenses(facts),
    ]
    return "\n\n".join(blocks) + "\n"


def _sentence(facts: CardFacts) -> str:
    given = (
        f"A picture goes in, {facts.num_features:,} numbers come out: "
        f"features of the network {facts.backbone}"
    )
    if not facts.has_learned:
        return (
            f"{given} as it came. Nothing that was learned by {_PAPER} is in "
            "it."
        )
    first = f"from layer `{facts.cut}` on"
    trained = "all of it" if facts.cut == "input" else first
    return (
        f"{given}, {trained} trained by {_PAPER}, which predict what lies at "
        "an offset from an image patch."
    )


def _use(facts: CardFacts) -> list[str]:
    codes = snippets(facts.module_name, facts.image_size, facts.num_features)
    blocks = [
        "Each piece runs by itself in the folder that holds "
        f"`{facts.module_name}`; `photo.jpg` is any picture."
    ]
    for title, code in codes.items():
        blocks += [f"### {title}", f"```python\n{code}```"]
    return [
        *blocks,
        "To freeze it: `trainable=False` in both layers; in `TFSMLayer`, "
        "leave out `call_training_endpoint` too. `TFSMLayer` drops the "
        "regularization losses, and needs Keras on TensorFlow.",
        "With scn-tf installed, `export.keras_layer.FeatureVector` is a layer "
        "of Keras 3 that keeps them and is saved in `.keras` files, and "
        "`python -m export.convert` makes `.keras`, ONNX and LiteRT files of "
        "this folder. `keras.json` is what they read: the network as data.",
    ]


def _contract(facts: CardFacts) -> list[str]:
    size, length = facts.image_size, facts.num_features
    decay = _UNKNOWN if facts.weight_decay is None else facts.weight_decay
    joined = facts.options.export_features == "joined"
    lines = [
        "Images: float32 [batch, height, width, 3], RGB in [0, 1]. Any height "
        f"and width: they are resized inside to {size} x {size} (bilinear, "
        "antialias, aspect ratio not kept). The network's own preprocessing "
        "is inside.",
        f"Features: float32 [batch, {length}].",
    ]
    if joined:
        lines.append(
            f"The first {length // 2} are of the trained network, the others "
            "of the network as it came; each half has unit length. Only the "
            "trained layers can be fine-tuned."
        )
    if facts.options.inference_precision != "float32":
        lines.append(
            "It computes in "
            f"{facts.options.inference_precision} where it is not trained; "
            "its weights are float32."
        )
    ends = {"feature_vector": (length,), **facts.endpoints}
    shapes = [
        f"`{name}` [{', '.join(map(str, ('batch', *shape)))}]"
        for name, shape in ends.items()
    ]
    rows = [
        ("`module(images, training=False)`", "features"),
        ("`module(images, return_endpoints=True)`", "; ".join(shapes)),
        ("`call_inference(images)`, `call_training(images)`", "features"),
        ("signature `serving_default`", "`images` -> `features`"),
        (
            "signature `serving_jpeg`",
            "`encoded`, [batch] strings, each a JPEG or PNG file -> "
            "`features`; EXIF rotation is ignored",
        ),
        ("`variables`, `trainable_variables`", "each weight once, float32"),
        ("`regularization_losses`", f"weight decay: {decay}"),
    ]
    return [bullets(lines), table(("what", "gives"), rows)]


def _reservations(facts: CardFacts) -> list[str]:
    """What sets this module apart from what was judged."""
    found = []
    given = facts.options.export_features
    judged = (facts.verdict or {}).get("features", "tuned")
    if judged != given:
        found.append(
            f"Judged were {_JUDGED.get(judged, judged)}; this module gives "
            f"{_JUDGED[given]}."
        )
    blend = facts.flags.get("neck_blend", 1.0)
    judged = (facts.verdict or {}).get("neck_blend", 1.0)
    if judged != blend:
        found.append(
            f"Judged was the network with neck_blend={judged}; this module "
            f"has {blend}."
        )
    precision = facts.options.inference_precision
    if precision != "float32":
        found.append(
            "The run was judged in its own precision; this module computes "
            f"in {precision}."
        )
    return found


def _origin(facts: CardFacts) -> str:
    environment = facts.environment or {}
    versions = {"Python": environment.get("python")}
    packages = environment.get("packages")
    versions |= packages if isinstance(packages, dict) else {}
    known = [f"{name} {text}" for name, text in versions.items() if text]
    size = facts.image_size
    held = "No layer was held: the training began at the input."
    if not facts.has_learned:
        held = "All layers are as they came."
    elif facts.cut != "input":
        held = (
            f"Trained from `{facts.cut}` on (`train_from`); the layers before "
            "it are as they came."
        )
    step = f"{facts.checkpoint_step:,}" if facts.checkpoint_step else _UNKNOWN
    epochs = facts.epochs_finished
    epochs = _UNKNOWN if epochs is None else epochs
    return bullets(
        [
            f"Network: {facts.backbone}, {size} x {size} pixels. {held}",
            f"Weights it began with: {_weights(facts)}",
            f"Steps of training: {step}. Epochs finished: {epochs}.",
            f"Commit of scn-tf: {_commit(facts)}.",
            f"Versions: {', '.join(known) or _UNKNOWN}.",
        ]
    )


def _commit(facts: CardFacts) -> str:
    commit = (facts.environment or {}).get("commit") or _UNKNOWN
    known, changes, _ = str(commit).partition("+changes")
    return f"{known}, and changes that no commit has" if changes else known


def _weights(facts: CardFacts) -> str:
    if facts.weights == "none":
        return f"random, drawn from seed {facts.flags.get('seed', _UNKNOWN)}."
    if facts.weights == "imagenet":
        return "Keras's own for ImageNet, trained with its labels."
    digest = (facts.environment or {}).get("weights_sha256")
    shown = f"`{digest}`" if digest else _UNKNOWN
    return f"file `{facts.weights}`, SHA-256 {shown}."


def _recipe(facts: CardFacts) -> list[str]:
    rows = [
        (f"`{name}`", facts.flags.get(name, _UNKNOWN), meaning)
        for name, meaning in _RECIPE.items()
    ]
    options = facts.options
    rows += [
        ("`export_features`", options.export_features, "of this module"),
        (
            "`inference_precision`",
            options.inference_precision,
            "of this module",
        ),
    ]
    text = facts.flags_text
    if text is None:
        flags = "The run's flags.txt: not known."
    else:
        flags = (
            "<details><summary>All flags of the run. Folders are "
            "placeholders, files have their name alone. Where the table "
            "differs, it is the table that is right for this module."
            f"</summary>\n\n```text\n{text}\n```\n\n</details>"
        )
    return [table(("flag", "value", "meaning"), rows), flags]


def _licenses(facts: CardFacts) -> list[str]:
    weights = "random, so there is none"
    if facts.weights != "none":
        weights = "TO BE FILLED IN"
    data = "TO BE FILLED IN"
    if facts.manifest and facts.manifest.source == "synthetic":
        data = "drawn by scn-tf, so there is none"
    return [
        "Whoever passes this module on has to check the licenses of what it "
        "was made from and fill them in here; the export knows none of them.",
        bullets(
            [
                f"Weights it began with: {weights}.",
                f"Images it was trained on: {data}.",
                "This module: TO BE FILLED IN.",
            ]
        ),
        "A new export to this folder replaces this file.",
    ]
