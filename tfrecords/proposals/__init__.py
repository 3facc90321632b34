"""Proposal methods by name: pixels in, object-like boxes out (section 4.3).

A method is a Proposer: it takes a batch of pictures and says whether labels
were used to find its boxes. One file, one function, one line here.
"""

from tfrecords.proposals.edge_boxes import MOST_SIDE
from tfrecords.proposals.edge_boxes import propose_edge_boxes
from tfrecords.proposals.file import propose_file
from tfrecords.proposals.file import require_match
from tfrecords.proposals.ground_truth import propose_ground_truth
from tfrecords.proposals.proposals import one_by_one
from tfrecords.proposals.proposals import Proposer
from tfrecords.proposals.uniform import propose_uniform
from tfrecords.proposals.yolo_v8 import propose_yolo

PROPOSERS = {
    "edge_boxes": Proposer(one_by_one(propose_edge_boxes), most_side=MOST_SIDE),
    "file": Proposer(
        one_by_one(propose_file),
        "the boxes come from a file; whether labels were used to find them "
        "is not known",
        require_match,
    ),
    "ground_truth": Proposer(
        one_by_one(propose_ground_truth), "the boxes were drawn by annotators"
    ),
    "uniform": Proposer(one_by_one(propose_uniform)),
    "yolo": Proposer(
        propose_yolo,
        "the detector was trained with labels (yolo_v8_m_pascalvoc: those of "
        "VOC2012)",
    ),
}
