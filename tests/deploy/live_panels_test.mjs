// The dashboards on real figures: a Prometheus scrapes the real server while it is used, and every query of every panel
// returns numbers.
import assert from 'node:assert/strict';
import test from 'node:test';

import { dashboards, queriesOf, variableQueries } from './lib/dashboards.mjs';
import { until, withPrometheus } from './lib/prometheus.mjs';
import { alternatives, selectors } from './lib/promql.mjs';
import { rules } from './lib/rules.mjs';
import { requireServer } from './lib/server.mjs';
import { withServerSets } from './lib/server_sets.mjs';
import { has, skip } from './lib/tools.mjs';
import { startTraffic } from './lib/traffic.mjs';

requireServer();
for (const program of ['prometheus', 'openssl']) if (!has(program)) skip(`${program} is not installed`);
const recorded = new Set(rules.map(({ record }) => record));

// As Grafana would send it, with everything selected. The server is scraped each second.
const sent = (expr) => expr.replaceAll('$__rate_interval', '15s').replaceAll('$__range', '1m')
  .replaceAll('="$deployment"', '="deepseek-v3-decode"').replace(/\$(job|instance|deployment)\b/g, '.+');

test('every query of every panel returns data, and every alternative of every rule', () =>
  withServerSets(({ folder, live, plan }) =>
    withPrometheus({ 'live-0': live.metrics, 'plan-0': plan.metrics }, async (prometheus) => {
      const traffic = startTraffic(live.grpc, folder);
      try {
        const open = new Map();
        for (const [name, dashboard] of Object.entries(dashboards)) {
          for (const { panel, expr } of queriesOf(dashboard)) open.set(`${name}: ${panel.title}: ${expr}`, sent(expr));
          for (const { name: variable, metric, label } of variableQueries(dashboard)) {
            open.set(`${name}: variable ${variable}`, `count by (${label}) (${sent(metric)}{${label}!=""})`.replace('}{', ', '));
          }
        }
        // A label value that the server does not know, in a list of alternatives, would never fire.
        for (const { alert, record, expr } of rules) {
          for (const selector of selectors(expr).filter(({ metric }) => !recorded.has(metric))) {
            for (const one of alternatives(selector)) open.set(`rule ${alert ?? record}: ${one}`, one);
          }
        }
        await until(() => `data for\n${[...open.keys()].join('\n')}`, 90, async () => {
          traffic.check();
          for (const [what, expr] of open) {
            if ((await prometheus.query(expr)).length > 0) open.delete(what);
          }
          return open.size === 0;
        });
      } finally {
        await traffic.stop();
      }
      await until('rules are evaluated without errors', 30, async () => {
        const { groups } = await prometheus.get('rules', {});
        const evaluated = groups.flatMap((group) => group.rules);
        for (const { name, lastError } of evaluated) assert.equal(lastError ?? '', '', name);
        return evaluated.length === rules.length && evaluated.every(({ health }) => health === 'ok');
      });
    })));

test('the alternatives of a selector are asked for one by one', () => {
  const [selector] = selectors('rate(a{b=~"x|y", c="d", e!="f|g"}[5m])');
  assert.deepEqual(alternatives(selector), ['a{b=~"x", c="d", e!="f|g"}', 'a{b=~"y", c="d", e!="f|g"}']);
  assert.deepEqual(selectors('a').flatMap(alternatives), ['a{}']);
});
