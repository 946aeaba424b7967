// A real Prometheus, on a free port, that scrapes the given addresses.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ruleFiles } from './rules.mjs';
import { inFolder } from './server.mjs';
import { source } from './tools.mjs';

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Calls `probe` until what it returns is true; throws with `what` after the deadline.
export async function until(what, seconds, probe) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (await probe()) return;
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${typeof what === 'function' ? what() : what}`);
    await pause(250);
  }
}

class Prometheus {
  constructor(address) { this.address = address; }

  async get(path, parameters) {
    const response = await fetch(`http://${this.address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = await response.json();
    if (status !== 'success') throw new Error(`${error}: ${JSON.stringify(parameters)}`);
    return data;
  }

  // The samples of an instant query that are numbers.
  async query(expr) {
    const { result } = await this.get('query', { query: expr });
    return result.filter(({ value }) => Number.isFinite(Number(value[1])));
  }
}

// Runs body(prometheus) while a Prometheus scrapes `targets` (metrics addresses, by instance name) each second as the
// job eplb and evaluates our rules. The component of an instance is its name's part before the '-', as live of live-0.
export const withPrometheus = (targets, body) => inFolder(async (folder) => {
  const labelled = Object.entries(targets).map(([instance, target]) => ({ targets: [target],
    labels: { instance, namespace: 'eplb', component: instance.split('-')[0] } }));
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: ruleFiles.map((file) => join(source, file)),
    scrape_configs: [{ job_name: 'eplb', static_configs: labelled }],
  }));
  const child = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder, 'data')}`, '--web.listen-address=127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    let log = '';
    child.stderr.on('data', (text) => { log += text; });
    const listening = () => /msg="Listening on" address=(\S+)/.exec(log)?.[1];
    await until(() => `Prometheus listens: ${log}`, 60, listening);
    const prometheus = new Prometheus(listening());
    await until('Prometheus is ready', 60, async () => (await fetch(`http://${prometheus.address}/-/ready`)).ok);
    return await body(prometheus);
  } finally {
    child.kill('SIGTERM');
    await ended;
  }
});
