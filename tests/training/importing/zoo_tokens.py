"""Networks of sequences: attention, windows, token ids, recurrent cells."""

from onnx import ModelProto, helper

from tests.training.importing.drawing import FLOAT, INT64, Drawing, Specimen

Declared = dict[str, tuple[int, list[int | str]]]

TOKENS, WIDTH, HEADS = 6, 8, 2


def scores(count: int = 3) -> Declared:
    return {"scores": (FLOAT, ["n", count])}


def tokens() -> Declared:
    return {"x": (FLOAT, ["n", TOKENS, WIDTH])}


def heads_of(draw: Drawing, signal: str, name: str, perm: list[int], shape: str) -> str:
    """Multiply by weights and part the result into heads."""
    product = draw("MatMul", signal, draw.weight(f"w{name}", WIDTH, WIDTH), to=f"{name}.product")
    biased = draw("Add", product, draw.weight(f"b{name}", WIDTH), to=name)
    return draw("Transpose", draw("Reshape", biased, shape), perm=perm)


def attended(draw: Drawing, signal: str, parted: str, whole: str, mask: str | None = None) -> str:
    """Multi-head attention; shapes of parted heads and of the whole are given."""
    query = heads_of(draw, signal, "query", [0, 2, 1, 3], parted)
    key = heads_of(draw, signal, "key", [0, 2, 3, 1], parted)
    value = heads_of(draw, signal, "value", [0, 2, 1, 3], parted)
    likeness = draw("MatMul", query, key, to="likeness")
    if mask is not None:
        likeness = draw("Add", likeness, mask)
    weighted = draw("MatMul", draw("Softmax", likeness, axis=-1), value, to="weighted")
    joined = draw("Reshape", draw("Transpose", weighted, perm=[0, 2, 1, 3]), whole)
    return draw("MatMul", joined, draw.weight("wo", WIDTH, WIDTH), to="joined")


def head(draw: Drawing, signal: str, width: int = WIDTH) -> None:
    """A dense layer on the first token."""
    first = draw("Gather", signal, draw.constant("first", 0), axis=1)
    draw("Gemm", first, draw.weight("wh", width, 3), to="scores")


def attention() -> ModelProto:
    draw = Drawing()
    parted = draw.constant("parted", [0, 0, HEADS, -1])
    whole = draw.constant("whole", [0, 0, WIDTH])
    joined = attended(draw, "x", parted, whole)
    head(draw, draw("Add", "x", joined))
    return draw.model(tokens(), scores())


def shape_of_batch() -> ModelProto:
    """As torch's first exporter writes ``x.view(x.size(0), ...)``."""
    draw = Drawing()
    count = draw("Slice", draw("Shape", "x"), draw.constant("zero", [0]), draw.constant("one", [1]))
    parted = draw("Concat", count, draw.constant("rest", [TOKENS, HEADS, WIDTH // HEADS]), axis=0)
    whole = draw("Concat", count, draw.constant("all", [TOKENS, WIDTH]), axis=0)
    joined = attended(draw, "x", parted, whole)
    head(draw, draw("Add", "x", joined))
    return draw.model(tokens(), scores())


def patches() -> ModelProto:
    """Patches of a picture, a class token, places that are learned (ViT)."""
    draw = Drawing()
    patch = draw("Conv", "x", draw.weight("wp", WIDTH, 3, 4, 4), to="patch", strides=[4, 4])
    flat = draw("Transpose", draw("Reshape", patch, draw.constant("flat", [0, WIDTH, -1])),
                perm=[0, 2, 1])  # fmt: skip
    count = draw("Slice", draw("Shape", flat), draw.constant("zero", [0]),
                 draw.constant("one", [1]))  # fmt: skip
    ones = draw("Concat", count, draw.constant("unit", [1, WIDTH]), axis=0)
    first = draw("Expand", draw.weight("cls", 1, 1, WIDTH), ones)
    placed = draw("Add", draw("Concat", first, flat, axis=1), draw.weight("places", 1, 5, WIDTH))
    parted = draw.constant("parted", [0, 0, HEADS, -1])
    joined = attended(draw, placed, parted, draw.constant("whole", [0, 0, WIDTH]))
    head(draw, draw("Add", placed, joined))
    return draw.model({"x": (FLOAT, ["n", 3, 8, 8])}, scores())


def windows() -> ModelProto:
    """Windows are folded into the batch, side by side (Swin)."""
    draw = Drawing()
    apart = draw("Reshape", "x", draw.constant("apart", [-1, 2, WIDTH]))
    mixed = draw("MatMul", apart, draw.weight("w", WIDTH, WIDTH), to="mixed")
    flat = draw("Reshape", draw("Relu", mixed), draw.constant("flat", [-1, 2 * WIDTH]))
    merged = draw("MatMul", flat, draw.weight("wm", 2 * WIDTH, WIDTH), to="merged")
    back = draw("Reshape", merged, draw.constant("back", [-1, TOKENS // 2, WIDTH]))
    head(draw, back)
    return draw.model(tokens(), scores())


def folded_inside() -> ModelProto:
    """Tokens come first, and inputs are folded into them, so that inputs alternate."""
    draw = Drawing()
    swapped = draw("Transpose", "x", perm=[1, 0, 2])
    flat = draw("Reshape", swapped, draw.constant("flat", [-1, WIDTH]))
    mixed = draw("Gemm", flat, draw.weight("w", WIDTH, WIDTH), draw.weight("b", WIDTH), to="mixed")
    back = draw("Reshape", draw("Relu", mixed), draw.constant("back", [TOKENS, -1, WIDTH]))
    head(draw, draw("Transpose", back, perm=[1, 0, 2]))
    return draw.model(tokens(), scores())


def sequence_first() -> ModelProto:
    """Inputs follow each other along the second axis."""
    draw = Drawing()
    mixed = draw("MatMul", "x", draw.weight("w", WIDTH, WIDTH), to="mixed")
    mean = draw("ReduceMean", draw("Relu", mixed), axes=[0], keepdims=0)
    draw("Gemm", mean, draw.weight("wh", WIDTH, 3), to="scores")
    return draw.model({"x": (FLOAT, [TOKENS, "n", WIDTH])}, scores())


def bag_of_words() -> ModelProto:
    draw = Drawing()
    words = draw("Gather", draw.weight("embedding", 20, WIDTH), "ids", axis=0)
    mean = draw("ReduceMean", words, axes=[1], keepdims=0)
    hidden = draw("Relu", draw("Gemm", mean, draw.weight("w", WIDTH, WIDTH), to="hidden"))
    draw("Gemm", hidden, draw.weight("wh", WIDTH, 3), to="scores")
    return draw.model({"ids": (INT64, ["n", TOKENS])}, scores())


def text_filters() -> ModelProto:
    """Filters of several lengths over words, the largest answer of each (TextCNN)."""
    draw = Drawing()
    words = draw("Gather", draw.weight("embedding", 20, WIDTH), "ids", axis=0)
    turned = draw("Transpose", words, perm=[0, 2, 1])
    found = [
        draw("ReduceMax", draw("Relu", draw("Conv", turned, draw.weight(f"w{size}", 4, WIDTH, size),
                                            to=f"of{size}")), axes=[2], keepdims=0)
        for size in (2, 3)
    ]  # fmt: skip
    draw("Gemm", draw("Concat", *found, axis=1), draw.weight("wh", 8, 3), to="scores")
    return draw.model({"ids": (INT64, ["n", TOKENS])}, scores())


def masked() -> ModelProto:
    """Token ids and a mask; what is masked gets no attention (BERT)."""
    draw = Drawing()
    words = draw("Gather", draw.weight("embedding", 20, WIDTH), "ids", axis=0)
    one = draw.constant("one", 1.0, "float32")
    hidden = draw("Sub", one, draw.cast("mask", FLOAT))
    low = draw("Mul", hidden, draw.constant("low", -1e4, "float32"))
    wide = draw("Unsqueeze", low, draw.constant("axes", [1, 2]))
    parted = draw.constant("parted", [0, 0, HEADS, -1])
    joined = attended(draw, words, parted, draw.constant("whole", [0, 0, WIDTH]), wide)
    head(draw, draw("Add", words, joined))
    return draw.model({"ids": (INT64, ["n", TOKENS]), "mask": (INT64, ["n", TOKENS])}, scores())


def recurrent(operator: str, gates: int) -> ModelProto:
    """A recurrent operator whose last state is judged; most of the work is inside it."""
    draw = Drawing()
    steps = draw("Transpose", "x", perm=[1, 0, 2])
    size = gates * WIDTH
    outside, inside = draw.weight("W", 1, size, WIDTH), draw.weight("R", 1, size, WIDTH)
    draw(operator, steps, outside, inside, draw.weight("B", 1, 2 * size),
         to=["", "state"], hidden_size=WIDTH)  # fmt: skip
    last = draw("Squeeze", "state", draw.constant("axes", [0]))
    draw("Gemm", last, draw.weight("wh", WIDTH, 3), to="scores")
    return draw.model(tokens(), scores())


def long_memory() -> ModelProto:
    return recurrent("LSTM", 4)


def gated_units() -> ModelProto:
    return recurrent("GRU", 3)


def chosen_branch() -> ModelProto:
    """A branch that is taken or not, and a loop, neither of which multiplies by weights."""
    draw = Drawing()
    first = draw("Gemm", "x", draw.weight("w", WIDTH, WIDTH), to="first")
    value = helper.make_tensor_value_info
    sides = [
        helper.make_graph([helper.make_node(name, [first], [f"{name}.y"])], name, [],
                          [value(f"{name}.y", FLOAT, None)])
        for name in ("Relu", "Abs")
    ]  # fmt: skip
    chosen = draw("If", draw.constant("yes", True), then_branch=sides[0], else_branch=sides[1])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Tanh", ["signal"], ["bent"]),
        ],
        "body",
        [value("step", INT64, []), value("go", 9, []), value("signal", FLOAT, None)],
        [value("still", 9, []), value("bent", FLOAT, None)],
    )
    twice = draw.constant("twice", 2)
    bent = draw("Loop", twice, "yes", chosen, body=body)
    draw("Gemm", bent, draw.weight("wh", WIDTH, 3), to="scores")
    return draw.model({"x": (FLOAT, ["n", WIDTH])}, scores())


PROJECTIONS = {name: name for name in ("query", "key", "value")}
OF_ATTENTION = {f"{name}.product": name for name in PROJECTIONS} | {"joined": "joined"}

SPECIMENS = {
    "attention": Specimen("attention", attention, {**OF_ATTENTION, "scores": "scores"}),
    "attention, its products too": Specimen(
        "attention", attention,
        {
            **{f"{name}.product": name for name in PROJECTIONS},
            "likeness": "likeness", "weighted": "weighted", "joined": "joined", "scores": "scores",
        },
        ("--activations",),
    ),
    "shape of the batch": Specimen(
        "attention", shape_of_batch, {**OF_ATTENTION, "scores": "scores"}, place="input"
    ),
    "patches": Specimen(
        "ViT-like", patches, {"patch": "patch", **OF_ATTENTION, "scores": "scores"}
    ),
    "windows": Specimen(
        "windows", windows, {"mixed": "mixed", "merged": "merged", "scores": "scores"},
        place="input",
    ),
    "folded inside": Specimen(
        "folded batch", folded_inside, {"mixed": "mixed", "scores": "scores"}, place="input"
    ),
    "sequence first": Specimen(
        "sequence first", sequence_first, {"mixed": "mixed", "scores": "scores"},
        place=None, axis=1,
    ),
    "bag of words": Specimen(
        "token ids", bag_of_words, {"hidden": "hidden", "scores": "scores"}, place=None
    ),
    "text filters": Specimen(
        "TextCNN", text_filters, {"of2": "of2", "of3": "of3", "scores": "scores"}
    ),
    "masked": Specimen(
        "encoder with mask", masked, {**OF_ATTENTION, "scores": "scores"},
        ("--range", "mask=0:1"),
    ),
    "LSTM, quiet": Specimen("LSTM", long_memory, {"scores": "scores"}, ("--allow-quiet",)),
    "GRU, quiet": Specimen("GRU", gated_units, {"scores": "scores"}, ("--allow-quiet",)),
    "branch and loop": Specimen(
        "control flow", chosen_branch, {"first": "first", "scores": "scores"}, place=None
    ),
}  # fmt: skip
