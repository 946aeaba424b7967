// The dashboards on real figures: a Prometheus scrapes the real server while it is used, and every query of every panel
// returns numbers.
import assert from 'node:assert/strict';
import test from 'node:test';

import { dashboards, queriesOf, variableQueries } from './lib/dashboards.mjs';
import { until, withPrometheus } from './lib/prometheus.mjs';
import { rules } from './lib/rules.mjs';
import { inFolder, requireServer, withServer } from './lib/server.mjs';
import { has, skip } from './lib/tools.mjs';
import { startTraffic } from './lib/traffic.mjs';

requireServer();
if (!has('prometheus')) skip('prometheus is not installed');

// As Grafana would send it, with everything selected. The server is scraped each second.
const sent = (expr) => expr.replaceAll('$__rate_interval', '15s').replaceAll('$__range', '1m')
  .replace(/\$(job|instance|deployment)\b/g, '.+');

test('every query of every panel returns data', () =>
  inFolder((folder) => withServer(['--metrics.per_layer', '--telemetry.report_interval=1s'], ({ grpc, metrics }) =>
    withPrometheus({ 'eplb-0': metrics }, async (prometheus) => {
      const traffic = startTraffic(grpc, folder);
      try {
        const open = new Map();
        for (const [name, dashboard] of Object.entries(dashboards)) {
          for (const { panel, expr } of queriesOf(dashboard)) open.set(`${name}: ${panel.title}: ${expr}`, sent(expr));
          for (const { name: variable, metric, label } of variableQueries(dashboard)) {
            open.set(`${name}: variable ${variable}`, `count by (${label}) (${sent(metric)}{${label}!=""})`.replace('}{', ', '));
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
    }))));
