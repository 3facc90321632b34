"""Proposal methods by name: pixels in, object-like boxes out (section 4.3).

Each takes the pixels (uint8 [H, W, 3] RGB, left as they are), the
ImageRecord, the ProposalOptions and a Generator, and gives Proposals. The
result depends on nothing else.
"""

from tfrecords.proposals.edge_boxes import propose_edge_boxes
from tfrecords.proposals.ground_truth import propose_ground_truth
from tfrecords.proposals.uniform import propose_uniform

PROPOSERS = {
    "edge_boxes": propose_edge_boxes,
    "ground_truth": propose_ground_truth,
    "uniform": propose_uniform,
}
