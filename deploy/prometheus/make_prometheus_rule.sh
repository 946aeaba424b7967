#!/usr/bin/env bash
# Writes the Prometheus operator's form of the rule files beside it.
#
#   deploy/prometheus/make_prometheus_rule.sh [BASE_URL [FILE]]
#
# BASE_URL is where you serve this repository's files, as https://git.example.com/eplb/blob/main: it is put before the
# path in each runbook_url. FILE: prometheus_rule.yaml beside this script unless given.
set -euo pipefail
folder=$(cd "$(dirname "$0")" && pwd)
base=${1:-}
file=${2:-$folder/prometheus_rule.yaml}
[[ "$base" =~ ^(https?://[^[:space:]|\&\\]+)?$ ]] || { echo "$0: BASE_URL: $base: must be an http or https URL" >&2; exit 2; }
{
  echo '# Written by make_prometheus_rule.sh from recording.rules.yaml and alerts.rules.yaml.'
  printf 'apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: eplb\nspec:\n  groups:\n'
  for source in recording.rules.yaml alerts.rules.yaml; do
    sed -n '/^groups:/,$ { /^groups:/d; /^ *#/d; s/^\(.\)/  \1/; p }' "$folder/$source"
  done | sed "s|runbook_url: |&${base:+${base%/}/}|"
} >"$file.new"
mv "$file.new" "$file"
