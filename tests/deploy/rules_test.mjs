// Rules and alerts: promtool takes them, every alert has a case in which it fires and one in which it does not, and
// says what an operator needs.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { labelNames, nodes } from './lib/promql.mjs';
import { alerts, ruleFiles, rules } from './lib/rules.mjs';
import { has, readSource, readYaml, run, skip, source } from './lib/tools.mjs';

if (!has('promtool')) skip('promtool is not installed (Debian package prometheus)');
const caseFiles = readdirSync(join(source, 'tests/deploy/rules')).filter((file) => file.endsWith('.test.yaml'));
const cases = caseFiles.flatMap((file) => readYaml(`tests/deploy/rules/${file}`).tests)
  .flatMap((group) => group.alert_rule_test ?? []);

test('promtool takes every file', () => {
  for (const file of ruleFiles) run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', join(source, file)]);
});

test('alerts fire and keep silent as their cases say', () => {
  for (const file of caseFiles) run('promtool', ['test', 'rules', join(source, 'tests/deploy/rules', file)]);
});

for (const { alert, for: duration, labels, annotations, expr } of alerts) {
  test(`${alert} has a case that fires and one that does not`, () => {
    const own = cases.filter(({ alertname }) => alertname === alert);
    assert(own.some(({ exp_alerts }) => exp_alerts?.length > 0), 'no case in which it fires');
    assert(own.some(({ exp_alerts }) => !exp_alerts?.length), 'no case in which it keeps silent');
  });

  test(`${alert} has a severity, a summary, a description and a place in the runbook`, () => {
    assert(['critical', 'warning'].includes(labels.severity));
    assert.match(alert, /^Eplb[A-Z]/);
    assert(duration, 'one bad scrape is no alert');
    assert(annotations.summary && annotations.description);
    const [file, anchor] = annotations.runbook_url.split('#');
    assert.equal(anchor, alert.toLowerCase());
    assert.match(readSource(file), new RegExp(`^### ${alert}$`, 'm'));
  });

  test(`${alert} keeps the labels that its texts show`, () => {
    const aggregated = nodes(expr).some(({ name }) => name === 'AggregateExpr');
    for (const [, label] of JSON.stringify(annotations).matchAll(/\$labels\.(\w+)/g)) {
      if (aggregated) assert(labelNames(expr).includes(label), label);
    }
  });
}

test('the runbook has no alert that does not exist', () => {
  const section = /^## Alerts$([^]*?)^## /m.exec(readSource('deploy/RUNBOOK.md'))[1];
  const described = [...section.matchAll(/^### (\w+)$/gm)].map(([, alert]) => alert);
  assert.deepEqual(described, alerts.map(({ alert }) => alert));
});

test('recording rules are named level:metric:operations', () => {
  for (const { record } of rules.filter((rule) => rule.record)) assert.match(record, /^[a-z_]+:[a-z0-9_]+:[a-z0-9_]+$/);
});

test('names are used once', () => {
  const names = rules.map(({ alert, record }) => alert ?? record);
  assert.equal(new Set(names).size, names.length);
});
