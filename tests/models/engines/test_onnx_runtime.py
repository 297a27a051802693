"""The engine of the reference computes what the graph says."""

from pathlib import Path

import onnx
import onnxruntime

from noisevote.models.engines.onnx_runtime import session_options
from tests.training.importing.zoo_forms import quantised


def test_quantised_signals_meet_products_of_real_numbers_on_every_processor(tmp_path: Path) -> None:
    options = session_options()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(
        quantised().SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    operators = {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}
    assert operators >= {"QuantizeLinear", "DequantizeLinear", "Conv", "Gemm"}
    assert not {name for name in operators if name.startswith("QLinear") or "Integer" in name}
