"""A module as others write them: by hand, with nothing of ours."""

import numpy as np
import tensorflow as tf


def save_foreign_module(module_dir, penalty=True, endpoints=True, scale=1.0):
    """Writes features = mean color * kernel, by hand: nothing of ours."""
    module = tf.train.Checkpoint()
    kernel = tf.Variable(np.ones((3, 2), np.float32), name="kernel")
    num_calls = tf.Variable(0.0, trainable=False, name="num_calls")
    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")

    @tf.function(input_signature=[spec])
    def call_inference(images):
        return tf.reduce_mean(images, [1, 2]) @ kernel

    @tf.function(input_signature=[spec])
    def call_training(images):
        num_calls.assign_add(1.0)
        return scale * call_inference(images)

    @tf.function
    def call(images, training=False):
        return call_training(images) if training else call_inference(images)

    @tf.function(input_signature=[spec])
    def serve(images):
        return {"features": 2.0 * call_inference(images)}

    for training in (False, True):
        call.get_concrete_function(spec, training=training)
    module.__call__ = call
    module.variables = [kernel, num_calls]
    module.trainable_variables = [kernel]
    module.regularization_losses = []
    if penalty:
        module.regularization_losses = [
            tf.function(lambda: tf.nn.l2_loss(kernel), input_signature=[])
        ]
    if endpoints:
        module.call_inference = call_inference
        module.call_training = call_training
    tf.saved_model.save(module, str(module_dir), serve)
    return module_dir
