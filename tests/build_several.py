"""Script: builds one folder after the other, as the command line does.

In: a JSON file, a list of [what, flags of tfrecords.build]. Out: what each
build said in the end, as JSON on the last line.
"""

import json
import pathlib
import sys

from absl import flags

from tfrecords import build
from tfrecords import options
from tfrecords import validate

if __name__ == "__main__":
    options.define_flags()
    flags.DEFINE_string("records_dir", None, "")
    ends = {}
    for name, arguments in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["build", *arguments])
        try:
            build.main(["build"])
            faults = validate.validate(flags.FLAGS.records_dir)
            ends[name] = [str(fault) for fault in faults]
        except SystemExit as end:
            ends[name] = end.code
        print(f"{name}: {ends[name]!r}", flush=True)
    print(json.dumps(ends))
