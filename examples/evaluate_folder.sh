#!/bin/sh
# Accuracy on your own labelled pictures: a folder that holds a folder for each class.
#   PATH=.venv/bin:$PATH examples/evaluate_folder.sh FOLDER [URL]
set -e
folder=${1:?name a folder that holds a folder of pictures for each class}
url=${2:-http://127.0.0.1:8000}
for votes in 1 5 20; do
    noisevote evaluate "$folder" --url "$url" --votes $votes --seed 1
done
