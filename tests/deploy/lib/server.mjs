// The real server, asked about its configuration or running on free ports.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { eplbctl, run, server, skip } from './tools.mjs';

export function requireServer() {
  if (!existsSync(server) || !existsSync(eplbctl)) skip('eplb-server and eplbctl are not built');
}

// Runs body(folder) with a new folder that is removed afterwards.
export async function inFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), 'eplb-deploy-'));
  try {
    return await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

// Exit code and complaint of --check-config.
export function checkConfig(args) {
  const result = spawnSync(server, [...args, '--check-config'], { encoding: 'utf8' });
  return { code: result.status, complaint: result.stderr };
}

// The settings in effect by their paths, as text: {'grpc.listen_address': '0.0.0.0:50051', 'drain.delay': '5'}. A
// duration is its seconds.
export function settings(args) {
  const found = {};
  const path = [];
  for (const line of run(server, [...args, '--print-config']).split('\n')) {
    const open = /^\s*(\w+) \{$/.exec(line);
    const leaf = /^\s*(\w+): "?(.*?)"?$/.exec(line);
    if (open) path.push(open[1]);
    else if (/^\s*\}$/.test(line)) {
      if (path.length === 2) found[path.join('.')] ??= '0';
      path.pop();
    } else if (leaf && leaf[1] === 'seconds') found[path.join('.')] = leaf[2];
    else if (leaf) found[[...path, leaf[1]].join('.')] = leaf[2];
  }
  return found;
}

const freePorts = ['grpc', 'health', 'metrics'].map((port) => `--${port}.listen_address=127.0.0.1:0`);

// Starts the server on free loopback ports and runs body({grpc, health, metrics}, process); ends it with SIGTERM and
// expects a clean end.
export const withServer = (args, body) => inFolder(async (folder) => {
  const ready = join(folder, 'ready');
  const child = spawn(server, [...args, ...freePorts, `--process.ready_file=${ready}`, '--drain.delay=0s'],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (text) => { log += text; });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  try {
    while (!existsSync(ready)) {
      assert.equal(child.exitCode, null, `the server ended: ${log}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const ports = Object.fromEntries(readFileSync(ready, 'utf8').trim().split('\n').map((line) => line.split('=')));
    await body(ports, child);
  } catch (error) {
    child.kill('SIGKILL');
    error.message += `\n${log}`;
    throw error;
  }
  child.kill('SIGTERM');
  assert.equal(await ended, 0, log);
});
