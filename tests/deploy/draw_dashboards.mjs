// Draws the dashboards into deploy/grafana/pictures, with the figures of the test fleets on the real server; not a test.
//   EPLB_SOURCE=. EPLB_BIN=build/release/bin EPLB_TOOLS=build/release/tools/deploy node tests/deploy/draw_dashboards.mjs [SECONDS]
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { withPrometheus } from './lib/prometheus.mjs';
import { withServerSets } from './lib/server_sets.mjs';
import { source } from './lib/tools.mjs';
import { startTraffic } from './lib/traffic.mjs';

const seconds = Number(process.argv[2] ?? 240);

await withServerSets(({ folder, live, plan }) =>
  withPrometheus({ 'live-0': live.metrics, 'plan-0': plan.metrics }, async ({ address }) => {
    const traffic = startTraffic(live.grpc, folder);
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    traffic.check();
    const renderer = spawn('/usr/bin/python3', [join(source, 'deploy/grafana/render.py'), `http://${address}`,
      join(source, 'deploy/grafana/pictures'), '--seconds', String(seconds - 5), '--deployment', 'deepseek-v3-decode'],
    { stdio: 'inherit' });
    const code = await new Promise((resolve) => renderer.on('exit', resolve));
    if (code !== 0) throw new Error(`render.py: exit code ${code}`);
    await traffic.stop();
  }));
