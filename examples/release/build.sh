#!/bin/sh
# From people.csv to people.zip, in this folder; a second run reuses all of it. The key is made once.
set -eu
cd "$(dirname "$0")"
test -e release.key || dpsynth key create --no-passphrase -o release.key
dpsynth run pipeline.yaml
