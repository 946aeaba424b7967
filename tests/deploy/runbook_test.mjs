// The runbook and deploy/README.md against what they speak of: settings, panels, files and log events exist.
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { dashboards, panelsOf } from './lib/dashboards.mjs';
import { inFolder, requireServer, settings } from './lib/server.mjs';
import { eplbctl, readSource, run, source } from './lib/tools.mjs';

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
  const named = [...runbook.matchAll(/`event=(\w+)`|`events (\w+)`|`event=(\w+)`:/g)].flatMap((match) => match.slice(1)).filter(Boolean);
  assert(named.length >= 5);
  for (const event of named) assert(code.includes(`"${event}"`), event);
});

test('the command that looks for events finds them in both forms of the log', () => inFolder((folder) => {
  const [definition] = /^events\(\) .*$/m.exec(runbook);
  const lines = ['{"time":"2026-11-28T00:00:00.000Z","level":"warning","event":"plan_failed","deployment":"a"}',
    'time=2026-11-28T00:00:00.000Z level=warning event=plan_failed deployment=b',
    'time=2026-11-28T00:00:00.000Z level=info event=plan_failed_not deployment=c',
    '{"time":"2026-11-28T00:00:00.000Z","level":"info","event":"planned","deployment":"d"}'];
  writeFileSync(join(folder, 'log'), `${lines.join('\n')}\n`);
  const found = run('bash', ['-c', `kubectl() { cat "${join(folder, 'log')}"; }\n${definition}\nevents plan_failed`]);
  assert.equal(found, `${lines[0]}\n${lines[1]}\n`);
}));

test('every command and flag of eplbctl that is named exists', () => {
  const help = Object.fromEntries(['list', 'get', 'pause', 'resume', 'drain', 'restore', 'replan', 'health']
    .map((command) => [command, run(eplbctl, [command, '--help'])]));
  const named = [...runbook.matchAll(/\bctl ([a-z]+)([^`#]*)/g)];
  assert(named.length > 10);
  for (const [text, command, rest] of named) {
    assert(command in help, text);
    for (const [flag] of rest.split('\n')[0].matchAll(/--[a-z-]+/g)) assert(help[command].includes(flag), `${command} ${flag}`);
  }
  for (const command of ['Rebalance`', 'UpdateDeployment', 'ListDeployments', 'GetPlacement']) {
    assert(!runbook.slice(runbook.indexOf('## Alerts'), runbook.indexOf('## Upgrade')).includes(command), `${command} is no command`);
  }
});

test('every file that is named exists', () => {
  for (const [, path] of texts.matchAll(/`((?:kubernetes|prometheus|grafana|image|overlays|components)\/[\w./-]*)`/g)) {
    const folders = ['deploy', 'deploy/kubernetes'];
    assert(folders.some((folder) => existsSync(join(source, folder, path))), path);
  }
});
