// What the server exports: names, types and labels.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { labelNames, selectors } from './promql.mjs';
import { readSource, source } from './tools.mjs';

const names = readSource('server/metrics/names.h');
const code = readdirSync(join(source, 'server/metrics')).filter((file) => file.endsWith('.cc') || file.endsWith('.h'))
  .map((file) => readSource(`server/metrics/${file}`)).join('\n');

function typeOf(constant, name) {
  if (name.endsWith('_total')) return 'counter';
  const histogram = new RegExp(`\\b(AddHistograms|AddStage)\\(\\s*\\w+,\\s*metrics::${constant}\\b|metrics::${constant},\\s*\\w+Buckets`);
  return histogram.test(code) ? 'histogram' : 'gauge';
}

// Name -> 'counter', 'gauge' or 'histogram'.
export const exportedMetrics = new Map(
  [...names.matchAll(/Metric (k\w+)\{\s*"(\w+)"/g)].map(([, constant, name]) => [name, typeOf(constant, name)]));

const labelSection = /namespace labels \{([^]*?)\}  \/\/ namespace labels/.exec(names)[1];
export const exportedLabels = new Set([...labelSection.matchAll(/constexpr char k\w+\[\] = "(\w+)"/g)].map(([, label]) => label));

// What Prometheus and its rules add.
const outsideMetrics = new Set(['up', 'ALERTS', 'ALERTS_FOR_STATE']);
const outsideLabels = new Set(['job', 'namespace', 'component', 'instance', 'le', 'alertname', 'alertstate', 'severity']);

function isExported(metric) {
  const type = exportedMetrics.get(metric);
  if (type) return type !== 'histogram';
  return exportedMetrics.get(metric.replace(/_(bucket|sum|count)$/, '')) === 'histogram';
}

// Metrics of the expression that nobody exports. recorded: names of recording rules.
export const unknownMetrics = (expr, recorded = []) => selectors(expr).map(({ metric }) => metric)
  .filter((metric) => !outsideMetrics.has(metric) && !recorded.includes(metric) && !isExported(metric));

export const unknownLabels = (expr) => labelNames(expr)
  .filter((label) => !outsideLabels.has(label) && !exportedLabels.has(label));

// Name -> type, from a page in Prometheus' text format.
export const pageMetrics = (text) => new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
