#!/usr/bin/env bash
# Writes prometheus_rule.yaml, the Prometheus operator's form of the rule files beside it.
set -euo pipefail
cd "$(dirname "$0")"
{
  echo '# Written by make_prometheus_rule.sh from recording.rules.yaml and alerts.rules.yaml.'
  printf 'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: eplb\nspec:\n  groups:\n'
  for file in recording.rules.yaml alerts.rules.yaml; do
    sed -n '/^groups:/,$ { /^groups:/d; /^ *#/d; s/^\(.\)/  \1/; p }' "$file"
  done
} >prometheus_rule.yaml
