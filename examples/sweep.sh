#!/usr/bin/env bash
# Sweeps strategies and seeds on NAS-Bench-201, then prints every run's answer.
#   examples/sweep.sh [trials] [seeds]
set -euo pipefail
trials=${1:-100}
seeds=${2:-3}

for strategy in random evolution; do
  for seed in $(seq 0 $((seeds - 1))); do
    # stdout is the run folder's path and nothing else
    run=$(nas search "strategy=$strategy" space=nasbench201 estimator=table \
      "budget.trials=$trials" "seed=$seed")
    printf '%s\tseed %s\t%s\t%s\n' "$strategy" "$seed" \
      "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["final"]["test_accuracy"])' "$run/report.json")" \
      "$run"
  done
done
