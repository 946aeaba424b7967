// Use of a running server: live fleets, and Rebalance calls of several shapes, some of them wrong, one after the other.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { startFleets } from './fleet.mjs';
import { eplbctl, run } from './tools.mjs';

// Starts the traffic to the gRPC address; files go to `folder`. check() throws where it has failed.
export function startTraffic(grpc, folder) {
  const loads = join(folder, 'loads.csv');
  run(eplbctl, ['generate', '--layers', '8', '--experts', '64', '--windows', '4', '--output', loads]);
  const plan = ['rebalance', '--loads', loads, '--gpus', '16', '--nodes', '2', '--server', grpc];
  const current = join(folder, 'current.json');
  run(eplbctl, [...plan, '--slots', '80', '--window', '0', '--output', current]);
  const calls = [
    [...plan, '--slots', '80', '--window', '1', '--current', current],
    [...plan, '--slots', '80', '--policy', 'global'],
    [...plan, '--slots', '48', '--policy', 'global'], // fewer slots than experts: refused
  ];
  const fleets = startFleets(grpc);
  let stopped = false;
  let failure = null;
  const loop = (async () => {
    for (let i = 0; !stopped; i = (i + 1) % calls.length) {
      const child = spawn(eplbctl, calls[i], { stdio: ['ignore', 'ignore', 'pipe'] });
      let complaint = '';
      child.stderr.on('data', (text) => { complaint += text; });
      const code = await new Promise((resolve) => child.on('close', resolve));
      if (code !== (i === 2 ? 2 : 0)) failure ??= new Error(`exit code ${code}: eplbctl ${calls[i].join(' ')}: ${complaint}`);
    }
  })();
  return {
    check() {
      if (failure) throw failure;
      fleets.check();
    },
    async stop() {
      fleets.stop();
      stopped = true;
      await loop;
    },
  };
}
