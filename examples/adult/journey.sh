#!/bin/sh
# From census records to a synthetic table, on the command line. Usage: sh journey.sh [NEW-FOLDER]
set -eu
folder=${1:-adult}

dpsynth demo --files-only -o "$folder" # the data (UCI Adult) and their public description
cd "$folder"
export DPSYNTH_LEDGER=ledger.db # the account of these people's budget

dpsynth schema check schema.yaml --data adult.csv.gz           # names and types only
dpsynth plan --schema schema.yaml --epsilon 1                  # the price: reads no record, spends nothing
dpsynth fit adult.csv.gz --schema schema.yaml --epsilon 1 --purpose example -o model.dps
dpsynth sample model.dps --seed 1 -o synthetic.csv             # free, as often as you like
dpsynth sample model.dps -n 5 --where sex=Female --seed 1 -o - # free as well
dpsynth evaluate adult.csv.gz synthetic.csv --schema schema.yaml # internal: these figures come from the records
dpsynth ledger show

# The budget is used up: a second model is refused with exit code 4, and nothing is read for it.
code=0
dpsynth fit adult.csv.gz --schema schema.yaml --epsilon 1 -o second.dps || code=$?
test "$code" -eq 4
