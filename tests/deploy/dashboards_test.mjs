// Dashboards keep the rules of Grafana's dashboard-linter, and some of our own: no panel without a description, no query
// that another panel has too, no variable that nobody uses.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { dashboards, panelsOf, queriesOf, variableQueries } from './lib/dashboards.mjs';
import { exportedMetrics } from './lib/metrics.mjs';
import { nodes, selectors } from './lib/promql.mjs';
import { inFolder } from './lib/server.mjs';
import { readSource, run, source } from './lib/tools.mjs';

// The units of Grafana that are used here; a typing error is shown as text behind each figure.
const units = new Set(['short', 'none', 's', 'ms', 'bytes', 'Bps', 'percentunit', 'reqps', 'cps', 'dateTimeFromNow']);
const rangeFunctions = ['rate', 'irate', 'increase'];

const variable = (dashboard, name) => dashboard.templating.list.find((candidate) => candidate.name === name);

// The text chunks of a PNG file, by keyword.
function textOf(png) {
  const found = new Map();
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) !== 'tEXt') continue;
    const [keyword, text] = png.toString('latin1', at + 8, at + 8 + png.readUInt32BE(at)).split('\0');
    found.set(keyword, text);
  }
  return found;
}

test('the files are what make_dashboards.py writes', () => inFolder((folder) => {
  run('python3', [join(source, 'deploy/grafana/make_dashboards.py'), folder]);
  for (const name of Object.keys(dashboards)) {
    assert.equal(readSource(`deploy/grafana/${name}.json`), readFileSync(join(folder, `${name}.json`), 'utf8'), name);
  }
}));

for (const [name, dashboard] of Object.entries(dashboards)) {
  test(`${name}: its identity is stable, and nobody edits it in place`, () => {
    assert.equal(dashboard.uid, name);
    assert.equal(dashboard.editable, false);
    assert(dashboard.tags.includes('eplb') && dashboard.title && dashboard.description);
  });

  test(`${name}: data source, job and instance are variables`, () => {
    const datasource = variable(dashboard, 'datasource');
    assert.deepEqual([datasource.type, datasource.query, datasource.label], ['datasource', 'prometheus', 'Data source']);
    for (const [label, title] of [['job', 'Job'], ['instance', 'Instance']]) {
      const { type, label: shown, multi, includeAll, allValue } = variable(dashboard, label);
      assert.deepEqual([type, shown, multi, includeAll, allValue], ['query', title, true, true, '.+'], label);
    }
  });

  test(`${name}: variables use the data source, parse, and follow the time range`, () => {
    assert.equal(variableQueries(dashboard).length, dashboard.templating.list.length - 1);
    for (const { name: label, metric } of variableQueries(dashboard)) {
      assert.equal(variable(dashboard, label).datasource.uid, '${datasource}', label);
      assert.equal(variable(dashboard, label).refresh, 2, label);
      nodes(metric);
    }
  });

  test(`${name}: every variable is used by a query`, () => {
    const used = queriesOf(dashboard).map(({ expr }) => expr).join('\n');
    for (const { name: label } of variableQueries(dashboard)) assert(used.includes(`$${label}`), label);
  });

  test(`${name}: every panel has a title, a description, a unit, the data source and queries`, () => {
    const titles = panelsOf(dashboard).map(({ title }) => title);
    assert.equal(new Set(titles).size, titles.length);
    for (const panel of panelsOf(dashboard)) {
      assert(panel.title && panel.description.length > 20 && panel.description.endsWith('.'), panel.title);
      assert(units.has(panel.fieldConfig.defaults.unit), `${panel.title}: ${panel.fieldConfig.defaults.unit}`);
      assert.equal(panel.datasource.uid, '${datasource}', panel.title);
      assert(panel.targets.length > 0, panel.title);
    }
  });

  test(`${name}: panels have ids of their own and do not overlap`, () => {
    assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
    const taken = new Set();
    for (const { title, gridPos: { x, y, w, h } } of dashboard.panels) {
      assert(x >= 0 && x + w <= 24, title);
      for (let column = x; column < x + w; ++column) {
        for (let line = y; line < y + h; ++line) {
          assert(!taken.has(`${column},${line}`), `${title} overlaps`);
          taken.add(`${column},${line}`);
        }
      }
    }
  });

  test(`${name}: names of deployments are not read as regular expressions where one is chosen`, () => {
    const chosen = variable(dashboard, 'deployment');
    for (const { panel, expr } of queriesOf(dashboard)) {
      for (const { metric, labels } of selectors(expr).filter((selector) => selector.labels.has('deployment'))) {
        // Grafana escapes the values of variables that take several, and puts in those of others as they are.
        assert.deepEqual(labels.get('deployment'), { op: chosen.multi ? '=~' : '=', value: '$deployment' }, `${panel.title}: ${metric}`);
      }
    }
  });

  test(`${name}: heat maps ask for no more cells than Grafana has room for`, () => {
    for (const panel of panelsOf(dashboard).filter(({ type }) => type === 'status-history')) {
      assert(panel.maxDataPoints <= 200, `${panel.title}: ${panel.maxDataPoints}`);
    }
  });

  test(`${name}: tables are sorted by a column that they have, and link to dashboards that exist`, () => {
    for (const panel of panelsOf(dashboard).filter(({ type }) => type === 'table')) {
      const columns = Object.values(panel.transformations.find(({ id }) => id === 'organize').options.renameByName);
      assert.equal(panel.options.sortBy.length, 1, panel.title);
      assert(columns.includes(panel.options.sortBy[0].displayName), panel.title);
      const links = panel.fieldConfig.overrides.flatMap(({ properties }) => properties).filter(({ id }) => id === 'links')
        .flatMap(({ value }) => value);
      assert(links.length > 0, panel.title);
      for (const { url, title } of links) {
        const [, uid, parameters] = /^\/d\/([\w-]+)\?(.+)$/.exec(url);
        assert(title && dashboards[uid], url);
        for (const [, parameter] of parameters.matchAll(/var-(\w+)=|\$\{(?!__)(\w+):queryparam\}/g)) {
          if (parameter) assert(variable(dashboards[uid], parameter), `${url}: ${parameter}`);
        }
      }
    }
  });

  test(`${name}: no query makes up figures that the server does not export`, () => {
    for (const { panel, expr } of queriesOf(dashboard)) assert.doesNotMatch(expr, /\bvector\(/, panel.title);
  });

  test(`${name}: its picture is of what it is now`, () => {
    const notes = textOf(readFileSync(join(source, `deploy/grafana/pictures/${name}.png`)));
    const hash = createHash('sha256').update(readSource(`deploy/grafana/${name}.json`)).digest('hex');
    assert.equal(notes.get('dashboard-sha256'), hash, 'run tests/deploy/draw_dashboards.mjs');
  });

  test(`${name}: every selector of every query takes job and instance from the variables`, () => {
    for (const { panel, target, expr } of queriesOf(dashboard)) {
      assert.equal(target.datasource.uid, '${datasource}', panel.title);
      for (const { metric, labels } of selectors(expr)) {
        for (const label of ['job', 'instance']) {
          assert.deepEqual(labels.get(label), { op: '=~', value: `$${label}` }, `${panel.title}: ${metric}`);
        }
      }
    }
  });

  test(`${name}: ranges are $__rate_interval, and counters are only read as rates`, () => {
    for (const { panel, target, expr } of queriesOf(dashboard)) {
      for (const [, range] of expr.matchAll(/\[([^\]:]+)/g)) {
        const allowed = target.instant ? ['$__range', '$__rate_interval'] : ['$__rate_interval'];
        assert(allowed.includes(range), `${panel.title}: [${range}]`);
      }
      for (const { metric, functions } of selectors(expr)) {
        const counted = exportedMetrics.get(metric) === 'counter' || /_(bucket|sum|count)$/.test(metric);
        if (counted) assert(rangeFunctions.includes(functions[0]), `${panel.title}: ${metric} within ${functions[0]}`);
        else assert(!rangeFunctions.includes(functions[0]), `${panel.title}: rate of the gauge ${metric}`);
      }
    }
  });

  test(`${name}: no two panels ask the same`, () => {
    const asked = panelsOf(dashboard).map((panel) => panel.targets.map(({ expr }) => expr).join('\n'));
    assert.equal(new Set(asked).size, asked.length);
  });
}

test('every metric of the service is shown on some dashboard', () => {
  const shown = new Set(Object.values(dashboards).flatMap(queriesOf).flatMap(({ expr }) => selectors(expr))
    .map(({ metric }) => metric.replace(/_(bucket|sum|count)$/, '')));
  const unseen = [...exportedMetrics.keys()].filter((metric) => metric.startsWith('eplb_') && !shown.has(metric));
  assert.deepEqual(unseen, []);
});
