"""The numbers of a training: the paper's, where it states one (section 3)."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class TrainOptions:
    """The recipe; each is a flag.

    Attributes:
        epochs: passes over the pairs.
        learning_rate: of SGD, before the drop.
        drop_epoch: epoch from which the rate is multiplied by `drop_factor`.
        drop_factor: see `drop_epoch`.
        momentum: of SGD; the paper states none.
        weight_decay: pull of every trained weight to zero, added to its
            gradient before momentum, as Torch's SGD does.
        neck_rate: factor on the learning rate of the neck, and so on its
            pull per step; the head has the rate as it is.
        neck_decay_factor: factor on the weight decay of the neck.
        neck_decay: "zero", or "start": the weights that the neck started with
            take the place of zero (L2-SP of Li et al. 2018, arXiv
            1802.01483).
        loss_reduction: "sum" over feature dimensions (Eq. 2) or "mean".
        head_epochs: first epochs in which the neck is held and the spatial
            context module learns alone.
        clip_norm: largest global norm of the gradients; 0 does not clip.
        accumulate: parts of a replica's batch that are computed one after
            the other, for batches that do not fit into memory at once.
        jit_compile: compile the step (XLA).
        training_precision: of the trained networks in a step, one of
            `working_copy.TRAINING_PRECISIONS`; weights stay float32.
    """

    epochs: int = 200
    learning_rate: float = 1e-3
    drop_epoch: int = 100
    drop_factor: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    neck_rate: float = 1.0
    neck_decay: str = "zero"
    neck_decay_factor: float = 1.0
    loss_reduction: str = "sum"
    head_epochs: int = 0
    clip_norm: float = 0.0
    accumulate: int = 1
    jit_compile: bool = False
    training_precision: str = "float32"

    @property
    def neck_is_held(self) -> bool:
        """Whether the spatial context module alone learns, to the end."""
        return 0 < self.epochs <= self.head_epochs

    @property
    def neck_decay_to_zero(self) -> float:
        """Weight decay of the neck; 0 where it is pulled to its start."""
        if self.neck_decay == "start":
            return 0.0
        return self.weight_decay * self.neck_decay_factor

    def rate(self, epoch: int) -> float:
        """Learning rate of `epoch`, counted from 0."""
        drop = self.drop_factor if epoch >= self.drop_epoch else 1.0
        return self.learning_rate * drop
