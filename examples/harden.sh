#!/bin/sh
# Train a network under noise, make it a checkpoint, measure it on validation images.
#   PATH=.venv-dev/bin:$PATH examples/harden.sh FOLDER [--epochs 1 ...]
# Further words are options of `noisevote-train train`.
# DATA="--data-dir FOLDER --allow-unknown-data" reads other data than the official MNIST.
# Then NOISEVOTE_CHECKPOINTS=FOLDER/checkpoints noisevote serve serves it.
set -e
folder=${1:?name a folder to train in}
shift
name=mnist_cnn-mult-grid
noisevote-train train $name --run "$folder/run" $DATA "$@"
noisevote-train export "$folder/run" --checkpoints "$folder/checkpoints" $DATA
noisevote-train evaluate $name --checkpoints "$folder/checkpoints" --validation --sigma 0 --sigma 1 --votes 20 $DATA
