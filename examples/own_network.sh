#!/bin/sh
# A network of your own, from an ONNX file and a folder of pictures to the votes of a service.
#   PATH=.venv-dev/bin:$PATH examples/own_network.sh FOLDER
# examples/own_network.py makes the file and the pictures; yours take their place.
# Then NOISEVOTE_CHECKPOINTS=FOLDER/mine NOISEVOTE_DEFAULT_CHECKPOINT=digits noisevote serve serves
# it, and examples/evaluate_folder.sh FOLDER/pictures measures what is served.
set -e
folder=${1:?name a folder to work in}
python "$(dirname "$0")/own_network.py" "$folder"

# How a picture becomes an input: grey, 8 x 8, levels 0 to 1, all in one row.
echo '{"colour": "grey", "size": [8, 8], "layout": "flat"}' > "$folder/grey.json"
noisevote-train points "$folder/model.onnx" --preprocessing "$folder/grey.json" --samples "$folder/pictures"
noisevote-train import "$folder/model.onnx" --name digits --checkpoints "$folder/mine" \
    --preprocessing "$folder/grey.json" --samples "$folder/pictures" --sigma 0.5 --replace

# How much noise, how many votes?
noisevote-train evaluate digits --checkpoints "$folder/mine" --samples "$folder/pictures" \
    --sigma 0 --sigma 0.25 --sigma 0.5 --sigma 1
# What do votes cost, and which layers are sensitive? Answers here; tables in the report.
noisevote-train study digits --checkpoints "$folder/mine" --samples "$folder/pictures" --budget 10s

# One answer, as the service gives it.
export NOISEVOTE_CHECKPOINTS="$folder/mine" NOISEVOTE_DEFAULT_CHECKPOINT=digits
for picture in "$folder"/pictures/3/*.png; do break; done
noisevote predict "$picture" --seed 7
