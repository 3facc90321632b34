"""What a person should know before a training takes its time.

In: a `Run` whose records are built. Out: warnings.
"""

from absl import logging

from scn_tf.run import Run


def warn_before_training(run: Run) -> None:
    """Says what of the flags and the records makes a training of little use.

    Args:
        run: that is about to be trained, or goes on.
    """
    config = run.config
    epochs = config.training.epochs
    done = run.log.epochs_done()
    if done >= epochs:
        logging.info(
            "The run has %d epochs, --epochs=%d asks for no more: there is "
            "nothing to train.",
            done,
            epochs,
        )
        return
    if config.training.neck_is_held:
        logging.warning(
            "--head_epochs=%d holds the neck in all %d epochs: the head alone "
            "learns, and the features stay what they were.",
            config.training.head_epochs,
            epochs,
        )
    if config.weights == "none" and run.manifest.source != "synthetic":
        logging.warning(
            "--weights=none: the targets are features of a random network. "
            "Give --weights=imagenet or a file to learn anything of use."
        )
    if not run.holds_pairs_out:
        logging.warning(
            "No pairs are held out: what is called val below, and in "
            "TensorBoard, are training pairs."
        )
