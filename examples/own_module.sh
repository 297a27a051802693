#!/bin/sh
# A torch module of your own: what noise does to it, and how it learns to stand it.
#   PATH=.venv-dev/bin:$PATH examples/own_module.sh FOLDER [--epochs 30 ...]
# Further words are options of `noisevote-train harden`. examples/own_module.py holds the module
# and draws pictures with labels; yours take their place.
# Then NOISEVOTE_CHECKPOINTS=FOLDER/mine NOISEVOTE_DEFAULT_CHECKPOINT=shapes-hardened noisevote serve
# serves it.
set -e
folder=${1:?name a folder to work in}
shift
here=$(dirname "$0")
python "$here/own_module.py" "$folder"

# As it is: the labels are the names of the folders.
cat > "$folder/pictures.json" <<END
{"size": [32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
END
noisevote-train import "$folder/resnet.onnx" --name shapes --checkpoints "$folder/mine" \
    --labels bar,cross,disc,ring,square,triangle --preprocessing "$folder/pictures.json" \
    --samples "$folder/pictures" --sigma 0.5 --replace

# The module learns under noise, from its own weights, and becomes a checkpoint beside it.
PYTHONPATH=$here${PYTHONPATH:+:$PYTHONPATH} noisevote-train harden own_module:resnet \
    --weights "$folder/resnet.pt" --samples "$folder/learn" --preprocessing "$folder/pictures.json" \
    --recipe mult-0.5 --epochs 15 --name shapes-hardened --checkpoints "$folder/mine" --runs "$folder/runs" \
    --replace "$@"

# Both on pictures that neither has seen.
for name in shapes shapes-hardened; do
    noisevote-train evaluate $name --checkpoints "$folder/mine" --samples "$folder/pictures" \
        --sigma 0 --sigma 0.5 --sigma 1
done
