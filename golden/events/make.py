"""Three epochs of a job, written with TensorBoard's own record writer and messages.

Writes three_epochs.tfevents and versions.json to its own folder: `python golden/events/make.py`
"""

import importlib.metadata
import io
import json
import pathlib

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

TIME = 1_700_000_000.25
EPOCHS = [  # step, loss, accuracy, learning rate, held-out accuracy
    (1, 2.3025851, 0.1, 0.1, None),
    (2, 1.5, 0.5, 0.05, 0.0),
    (300, 1e-3, 1.0, 0.0, 0.625),
]
TAGS = ["loss", "accuracy", "learning_rate", "held_out_accuracy"]


def main():
    here = pathlib.Path(__file__).parent
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=TIME, file_version="brain.Event:2").SerializeToString())
    for step, *values in EPOCHS:
        scalars = [Summary.Value(tag=tag, simple_value=v) for tag, v in zip(TAGS, values) if v is not None]
        writer.write(Event(wall_time=TIME, step=step, summary=Summary(value=scalars)).SerializeToString())
    (here / "three_epochs.tfevents").write_bytes(file.getvalue())
    versions = {"tensorboard": importlib.metadata.version("tensorboard")}
    (here / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")


if __name__ == "__main__":
    main()
