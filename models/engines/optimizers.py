"""Optimizers of ONNX Runtime that find nothing in a graph, told by the operators it names.

Most of the time that a small graph takes to load goes into passes that look for what is not there.
Sessions of many chips, which differ in weights alone, leave them out; outputs stay the same to the
bit, since a pass without its operators changes nothing.

Source: the optimizers of ONNX Runtime 1.31 (``onnxruntime/core/optimizer``) and what each matches.
Unknown names are passed over by other versions.
"""

QUANTISED = (b"QuantizeLinear", b"DequantizeLinear")
NORMALISED = (b"ReduceMean", b"LayerNormalization")

EXACT: tuple[str, ...] = (
    "CommonSubexpressionElimination",
    "ConstantSharing",
    "FreeDimensionOverrideTransformer",
    "GatherSliceToSplitFusion",
    "PropagateCastOps",
)
"""Passes that change no result, and make no graph of devices faster; the fourth makes three nodes
of two, for many short inputs."""

ACT_ON: dict[str, tuple[bytes, ...]] = {
    "AttentionFusion": (b"Softmax", b"LayerNormalization"),
    "Avx2WeightS8ToU8Transformer": (b"Integer", b"QLinear", b"Quantize", b"QAttention", b"QGemm"),
    "BiasDropoutFusion": (b"Dropout",),
    "BiasGeluFusion": (b"Gelu", b"Erf", b"Tanh"),
    "BiasSkipLayerNormFusion": NORMALISED,
    "BiasSoftmaxFusion": (b"Softmax",),
    "DoubleQDQPairsRemover": QUANTISED,
    "DQMatMulNBitsFusion": QUANTISED,
    "DynamicQuantizeMatMulFusion": (b"MatMulInteger",),
    "EmbedLayerNormFusion": NORMALISED,
    "EnsureUniqueDQForNodeUnit": QUANTISED,
    "FastGeluFusion": (b"Tanh",),
    "GatherToSliceFusion": (b"Range",),
    "GeluApproximation": (b"Gelu", b"Erf"),
    "GeluFusionL1": (b"Erf",),
    "GeluFusionL2": (b"Erf",),
    "GroupQueryAttentionFusion": (b"GroupQueryAttention",),
    "GroupQueryAttentionPreNormFusion": (b"GroupQueryAttention",),
    "IsInfReduceSumFusion": (b"IsInf",),
    "LayerNormFusionL1": NORMALISED,
    "LayerNormFusionL2": NORMALISED,
    "MatMulActivationFusion": (b"MatMul",),
    "MatMulAddFusion": (b"MatMul",),
    "MatMulIntegerToFloatFusion": (b"MatMulInteger",),
    "MatMulNBitsFusion": (b"MatMulNBits",),
    "MatMulNBitsMlpFusion": (b"MatMulNBits",),
    "MatMulNBitsQkvFusion": (b"MatMulNBits",),
    "MatMulScaleFusion": (b"MatMul",),
    "MatMul_BatchNormalization_Fusion": (b"MatMul",),
    "MatmulTransposeFusion": (b"Transpose",),
    "QDQFinalCleanupTransformer": QUANTISED,
    "QDQPropagationTransformer": QUANTISED,
    "QDQS8ToU8Transformer": QUANTISED,
    "QDQSelectorActionTransformer": QUANTISED,
    "QuickGeluFusion": (b"Sigmoid",),
    "ReshapeFusion": (b"Reshape",),
    "SimplifiedLayerNormFusion": NORMALISED,
    "SkipLayerNormFusion": NORMALISED,
    "SliceConcatToSpaceToDepthFusion": (b"Concat",),
    "TransposeOptimizer": (b"Transpose",),
    "WhereDummyDq": QUANTISED,
}
"""Names of operators by pass: a graph to which it does anything has one of them in its bytes. Of
operators that other passes make it is those that they are made of: ``FastGelu`` of ``Tanh``."""


def idle_optimizers(graph: bytes | bytearray) -> list[str]:
    """Return the optimizers that change no result of a graph.

    Args:
        graph: content of its file; its weights may lie beside it.
    """
    idle = [name for name, names in ACT_ON.items() if not any(one in graph for one in names)]
    return [*EXACT, *idle]
