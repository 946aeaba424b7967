// Every metric and label that a rule or dashboard uses is one that the server exports: server/metrics/names.h is the
// list, and the running server's page agrees with it.
import assert from 'node:assert/strict';
import test from 'node:test';

import { dashboards, queriesOf, variableQueries } from './lib/dashboards.mjs';
import { exportedLabels, exportedMetrics, pageMetrics, unknownLabels, unknownMetrics } from './lib/metrics.mjs';
import { rules } from './lib/rules.mjs';
import { requireServer, withServer } from './lib/server.mjs';

requireServer();
const recorded = rules.filter((rule) => rule.record).map((rule) => rule.record);

test('the list of exported metrics is read from the source', () => {
  assert.equal(exportedMetrics.get('eplb_build_info'), 'gauge');
  assert.equal(exportedMetrics.get('eplb_rpc_latency_seconds'), 'histogram');
  assert.equal(exportedMetrics.get('eplb_rpc_calls_total'), 'counter');
  for (const label of ['method', 'code', 'policy']) assert(exportedLabels.has(label), label);
});

test('the running server exports nothing that is not on the list, and each as the type that it is on the list', () =>
  withServer([], async ({ metrics }) => {
    const page = pageMetrics(await (await fetch(`http://${metrics}/metrics`)).text());
    assert(page.size > 10);
    for (const [name, type] of page) {
      if (!name.startsWith('exposer_')) assert.equal(exportedMetrics.get(name), type, name);
    }
  }));

test('rules use only metrics and labels that are exported', () => {
  for (const { alert, record, expr } of rules) {
    assert.deepEqual(unknownMetrics(expr, recorded), [], alert ?? record);
    assert.deepEqual(unknownLabels(expr), [], alert ?? record);
  }
});

for (const [name, dashboard] of Object.entries(dashboards)) {
  test(`${name} uses only metrics and labels that are exported`, () => {
    for (const { panel, expr } of queriesOf(dashboard)) {
      assert.deepEqual(unknownMetrics(expr), [], panel.title);
      assert.deepEqual(unknownLabels(expr), [], panel.title);
    }
    for (const { metric, label } of variableQueries(dashboard)) {
      assert.deepEqual(unknownMetrics(metric), []);
      assert.deepEqual(unknownLabels(`sum by (${label}) (up)`), []);
    }
  });
}

test('a name that is not exported is found', () => {
  assert.deepEqual(unknownMetrics('rate(eplb_rpc_callz_total[5m])'), ['eplb_rpc_callz_total']);
  assert.deepEqual(unknownMetrics('eplb_build_info_bucket'), ['eplb_build_info_bucket']);
  assert.deepEqual(unknownMetrics('eplb_rpc_latency_seconds_bucket + eplb_rpc_latency_seconds'), ['eplb_rpc_latency_seconds']);
  assert.deepEqual(unknownLabels('sum by (metod) (eplb_rpc_calls_total{cod="OK"})'), ['metod', 'cod']);
});
