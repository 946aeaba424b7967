// What live fleets cost the server: CPU of reports and plans, memory of deployments and workers; not a test. Fleets have
// DeepSeek-V3's shape, 58 layers x 256 experts, 9 slots for each of the GPUs.
//   EPLB_SOURCE=. EPLB_BIN=build/release/bin EPLB_TOOLS=build/release/tools/deploy \
//     node tests/deploy/measure_capacity.mjs DEPLOYMENTS WORKERS SECONDS [SERVER FLAG...]
import { Fleet } from './lib/fleet.mjs';
import { withServer } from './lib/server.mjs';

const [deployments, workers, seconds] = process.argv.slice(2, 5).map(Number);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function figures(metrics) {
  const text = await (await fetch(`http://${metrics}/metrics`)).text();
  const sum = (pattern) => [...text.matchAll(new RegExp(`^${pattern} (\\S+)$`, 'gm'))].reduce((total, [, value]) => total + Number(value), 0);
  return { memory: sum('process_resident_memory_bytes') / 2 ** 20, cpu: sum('process_cpu_seconds_total'),
    reports: sum('eplb_reports_total\\{.*outcome="folded"\\}'), plans: sum('eplb_plan_duration_seconds_count') };
}

await withServer(['--telemetry.report_interval=1s', ...process.argv.slice(5)], async ({ grpc, metrics }) => {
  const idle = await figures(metrics);
  const gpus = Math.max(32, workers);
  const fleets = Array.from({ length: deployments }, (_, seed) => new Fleet(grpc, { name: `fleet-${seed}`, seed, layers: 58,
    experts: 256, gpus, slots: 9 * gpus, nodes: gpus / 8, workers, applyMilliseconds: 50 }));
  await pause(seconds * 500);
  const half = await figures(metrics);
  await pause(seconds * 500);
  const end = await figures(metrics);
  for (const fleet of fleets) {
    fleet.check();
    fleet.stop();
  }
  const [cpu, reports, plans] = ['cpu', 'reports', 'plans'].map((key) => end[key] - half[key]);
  console.log(`${idle.memory.toFixed(0)} MiB idle, ${end.memory.toFixed(0)} MiB with ${deployments} deployments of ${workers} workers; ` +
    `${cpu.toFixed(2)} s of CPU for ${reports} reports and ${plans} plans`);
});
process.exit(0);
