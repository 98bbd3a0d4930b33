"""Prints the scores of sounds by an exported model as JSON: scores.py MODEL SOUND.wav ...

The sounds are WAV files of 32-bit floats with a header of 44 bytes. The file must pass ONNX's own
checker.
"""

import json
import sys

import numpy
import onnx
import onnxruntime

onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)
model = onnxruntime.InferenceSession(sys.argv[1])
scores = {}
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        samples = numpy.frombuffer(file.read()[44:], "<f4")
    labels, values = model.run(["labels", "scores"], {"samples": samples})
    scores[path] = dict(zip(labels.tolist(), values.tolist()))
print(json.dumps({"scores": scores, "metadata": model.get_modelmeta().custom_metadata_map}))
