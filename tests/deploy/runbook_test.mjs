// The runbook and deploy/README.md against what they speak of: settings, panels, files and log events exist.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { dashboards, panelsOf } from './lib/dashboards.mjs';
import { requireServer, settings } from './lib/server.mjs';
import { readSource, run, source } from './lib/tools.mjs';

requireServer();
const runbook = readSource('deploy/RUNBOOK.md');
const texts = runbook + readSource('deploy/README.md');

test('every setting that is named exists', () => {
  const known = settings([]);
  const sections = [...new Set(Object.keys(known).map((path) => path.split('.')[0]))].join('|');
  const named = [...texts.matchAll(new RegExp(`\`((?:${sections})\\.[a-z_]+)\``, 'g'))].map(([, path]) => path);
  assert(named.length > 5);
  for (const path of named) assert(path in known, path);
});

test('every panel and dashboard that is named exists', () => {
  const titles = new Set(Object.values(dashboards).flatMap((dashboard) =>
    [dashboard.title, ...panelsOf(dashboard).map(({ title }) => title)]));
  const named = [...runbook.matchAll(/(?<!\*)\*([A-Z][^*]+)\*(?!\*)/g)].map(([, title]) => title.replace(/\s+/g, ' '));
  assert(named.length > 10);
  for (const title of named) assert(titles.has(title), title);
});

test('every alert that a panel refers to exists', () => {
  for (const panel of Object.values(dashboards).flatMap(panelsOf)) {
    for (const [alert] of panel.description.matchAll(/Eplb[A-Z]\w+/g)) assert(runbook.includes(`### ${alert}\n`), alert);
  }
});

test('every log event that is named is logged', () => {
  const code = run('sh', ['-c', `cat ${join(source, 'server/app')}/*.cc`]);
  for (const [, event] of runbook.matchAll(/`(?:event=)(\w+)`/g)) assert(code.includes(`"${event}"`), event);
});

test('every file that is named exists', () => {
  for (const [, path] of texts.matchAll(/`((?:kubernetes|prometheus|grafana|image|overlays|components)\/[\w./-]*)`/g)) {
    const folders = ['deploy', 'deploy/kubernetes'];
    assert(folders.some((folder) => existsSync(join(source, folder, path))), path);
  }
});
