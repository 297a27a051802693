"""A network that others made: ``python examples/own_network.py FOLDER``.

It stands for your own work, and knows nothing of noisevote: scikit-learn learns its digits, the
network is written as ``FOLDER/model.onnx``, and digits that it has not seen as
``FOLDER/pictures/LABEL/NUMBER.png``.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

if len(sys.argv) < 2:
    sys.exit(__doc__)
folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)

inputs, labels = load_digits(return_X_y=True)
learnt, unseen, learnt_labels, unseen_labels = train_test_split(
    inputs / 16, labels, test_size=0.3, random_state=1, stratify=labels
)
network = MLPClassifier((64, 32), max_iter=400, random_state=1).fit(learnt, learnt_labels)

nodes, weights, signal = [], [], "pixels"
layers = list(zip(network.coefs_, network.intercepts_, strict=True))
for number, (matrix, bias) in enumerate(layers, start=1):
    name = f"dense{number}"
    weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"{name}.weight"))
    weights.append(numpy_helper.from_array(bias.astype(np.float32), f"{name}.bias"))
    nodes.append(
        helper.make_node("Gemm", [signal, f"{name}.weight", f"{name}.bias"], [name], name=name)
    )
    signal = name
    if number < len(layers):
        signal = f"relu{number}"
        nodes.append(helper.make_node("Relu", [name], [signal]))
pixels, scores = (
    helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", length])
    for name, length in (("pixels", 64), (signal, 10))
)
graph = helper.make_graph(nodes, "digits_mlp", [pixels], [scores], weights)
opset = helper.make_opsetid("", 17)
onnx.save(helper.make_model(graph, opset_imports=[opset]), folder / "model.onnx")

levels = (255 * unseen).round().astype(np.uint8).reshape(-1, 8, 8)
for number, (picture, label) in enumerate(zip(levels, unseen_labels, strict=True)):
    of_class = folder / "pictures" / str(label)
    of_class.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(of_class / f"{number:03}.png")

right = int((network.predict(levels.reshape(-1, 64) / 255) == unseen_labels).sum())
print(f"scikit-learn: {right / len(unseen):.1%} of {len(unseen)} unseen digits")
