#!/usr/bin/env bash
# A digit's latent, its reconstruction and new digits, with curl:
#     examples/curl.sh http://127.0.0.1:8000 docs/seven.png
set -euo pipefail
url=$1 picture=$2

echo "What it is: the posterior's mean and log-variance"
curl --fail-with-body -sS "$url/encode" -H 'Content-Type: image/png' --data-binary "@$picture" | cut -c 1-100

echo "Two pictures in a form, back as one"
curl --fail-with-body -sS "$url/reconstruct" -F "a=@$picture" -F "b=@$picture" -H 'Accept: image/png' -o reconstruction.png

echo "Sixteen new sevens"
curl --fail-with-body -sS "$url/sample?label=7&count=16&seed=1" -H 'Accept: image/png' -o sevens.png

ls -l reconstruction.png sevens.png
