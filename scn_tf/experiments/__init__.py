"""Every experiment of the paper, by name; each is a flagfile as well."""

from scn_tf.experiments.experiment import Experiment
from scn_tf.experiments.fusion import FUSION
from scn_tf.experiments.section_4_1 import FIGURE_3
from scn_tf.experiments.section_4_1 import FIGURE_4
from scn_tf.experiments.section_4_1 import LOSSES
from scn_tf.experiments.section_4_2 import TABLE_1
from scn_tf.experiments.section_4_3 import FEATURES
from scn_tf.experiments.section_4_3 import TABLE_2
from scn_tf.experiments.section_4_3 import TABLE_3
from scn_tf.experiments.section_4_4 import TABLE_4

EXPERIMENTS: dict[str, Experiment] = {
    "features": FEATURES,
    "fig3": FIGURE_3,
    "fig4": FIGURE_4,
    "fusion": FUSION,
    "losses": LOSSES,
    "table1": TABLE_1,
    "table2": TABLE_2,
    "table3": TABLE_3,
    "table4": TABLE_4,
}
