// Small fleets that report loads and apply placements, spoken in the bare API by another language's gRPC: what an engine
// without the client library would do.
import { join } from 'node:path';

import { packages, source } from './tools.mjs';

const grpc = packages('@grpc/grpc-js');
const { loadSync } = packages('@grpc/proto-loader');
// Epochs are nanoseconds, more than a number holds here, so 64 bits are strings.
const api = grpc.loadPackageDefinition(loadSync('eplb/v1/eplb_service.proto',
  { includeDirs: [join(source, 'proto')], longs: String, defaults: true, oneofs: true })).eplb.v1;

// A generator of random numbers in (0, 1), equal for equal seeds (mulberry32).
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

// Popularities of experts, [layers x experts] and lognormal, that wander towards new ones. share(seconds, layer, expert).
function popularity(random, layers, experts, sigma, periodSeconds) {
  const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
  const draw = () => Array.from({ length: layers * experts }, () => Math.exp(sigma * normal()));
  const pages = [draw(), draw()];
  return (seconds) => {
    const page = Math.floor(seconds / periodSeconds);
    while (pages.length <= page + 1) pages.push(draw());
    const part = seconds / periodSeconds - page;
    return pages[page].map((value, index) => value * (1 - part) + pages[page + 1][index] * part);
  };
}

// One deployment: its workers report by expert, the first one watches and answers for all.
//   phases: 'PHASE_...' that are reported apart;  rejectEvery: each n-th placement is rejected, 0: none;
//   loseEvery: each n-th report is lost, 0: none;  silentAfter: seconds after which the last worker falls silent
export class Fleet {
  constructor(address, options) {
    this.options = { gpus: 16, nodes: 2, layers: 8, experts: 64, slots: 80, workers: 4, phases: ['PHASE_UNSPECIFIED'],
      rejectEvery: 0, loseEvery: 0, silentAfter: Infinity, sigma: 1, periodSeconds: 120, applyMilliseconds: 300, seed: 1,
      ...options };
    const { gpus, nodes, layers, experts, slots, name, seed, sigma, periodSeconds } = this.options;
    const random = randomFrom(seed);
    this.loads = Object.fromEntries(this.options.phases.map((phase) =>
      [phase, popularity(random, layers, experts, sigma, periodSeconds)]));
    this.client = new api.EplbService(address, grpc.credentials.createInsecure());
    this.spec = { deployment: name, numExperts: experts, modelLayers: Array.from({ length: layers }, (_, i) => i + 3),
      topology: { numGpus: gpus, numNodes: nodes, numSlots: slots } };
    this.current = this.spec.modelLayers.map((modelLayer) => ({ modelLayer,
      physicalToLogical: Array.from({ length: slots }, (_, slot) => (slot < experts ? slot : (slot - experts) % experts)) }));
    this.received = 0;
    this.started = Date.now();
    this.calls = [];
    this.failure = null;
    for (let worker = 0; worker < this.options.workers; ++worker) this.report(worker);
    this.watch();
  }

  identity(worker) { return { workerId: `${this.options.name}-${worker}`, incarnation: `start-${this.started}` }; }

  open(call) {
    call.on('error', (error) => { if (!this.stopped) this.failure ??= error; });
    this.calls.push(call);
    return call;
  }

  report(worker) {
    const { gpus, workers } = this.options;
    const ranks = gpus / workers;
    const call = this.open(this.client.streamTelemetry());
    let sequence = 0;
    let milliseconds = 0;
    call.write({ hello: { ...this.identity(worker), spec: this.spec, firstRank: worker * ranks, numRanks: ranks,
      current: this.current, userAgent: 'deploy-test' } });
    const send = () => {
      const seconds = (Date.now() - this.started) / 1000;
      const last = worker === workers - 1;
      if (this.stopped || (last && seconds > this.options.silentAfter)) return;
      for (const phase of this.options.phases) {
        ++sequence;
        if (!this.options.loseEvery || sequence % this.options.loseEvery !== 0) call.write({ report: this.loadReport(sequence, phase, milliseconds, seconds) });
      }
      setTimeout(send, milliseconds);
    };
    call.on('data', ({ reportInterval }) => {
      if (!reportInterval) return;
      const first = milliseconds === 0;
      milliseconds = Number(reportInterval.seconds) * 1000 + reportInterval.nanos / 1e6;
      if (first) setTimeout(send, milliseconds);
    });
  }

  loadReport(sequence, phase, milliseconds, seconds) {
    const tokens = this.loads[phase](seconds);
    const now = Date.now();
    return { sequence, phase, window: { seconds: Math.floor(milliseconds / 1000), nanos: (milliseconds % 1000) * 1e6 },
      endTime: { seconds: Math.floor(now / 1000), nanos: (now % 1000) * 1e6 },
      expertTokens: tokens.map((value) => Math.round(value * 1000 * (milliseconds / 1000))) };
  }

  // A deployment is there once its first hello has been taken in; until then the watch is opened again.
  watch() {
    const call = this.client.watchPlacements({ deployment: this.options.name, ...this.identity(0) });
    call.on('data', (event) => { if (event.event === 'placement') this.take(event); });
    call.on('error', (error) => {
      if (this.stopped) return;
      if (error.code === grpc.status.NOT_FOUND) setTimeout(() => this.watch(), 100);
      else this.failure ??= error;
    });
    this.calls.push(call);
  }

  take({ version, placement }) {
    ++this.received;
    const rejected = this.options.rejectEvery && this.received % this.options.rejectEvery === 0;
    const status = rejected
      ? { state: 'PLACEMENT_STATE_REJECTED', rejectionReason: 'REJECTION_REASON_TRANSFER_FAILED', errorDetail: 'as asked for' }
      : { state: 'PLACEMENT_STATE_APPLIED' };
    setTimeout(() => {
      if (this.stopped) return;
      this.client.reportPlacementStatus({ deployment: this.options.name, ...this.identity(0), version, ...status },
        (error) => { if (error && !this.stopped) this.failure ??= error; });
    }, this.options.applyMilliseconds);
  }

  check() { if (this.failure) throw this.failure; }

  stop() {
    this.stopped = true;
    for (const call of this.calls) call.cancel();
    this.client.close();
  }
}

// Three deployments that show everything there is to see: a calm one with two phases, one that rejects placements now
// and then, and one that loses reports and a worker.
export function startFleets(address) {
  const fleets = [
    { name: 'deepseek-v3-decode', phases: ['PHASE_PREFILL', 'PHASE_DECODE'], layers: 16, seed: 1 },
    { name: 'qwen3-chat', rejectEvery: 5, sigma: 0.7, seed: 2 },
    { name: 'research/mixtral', workers: 8, loseEvery: 9, silentAfter: 20, sigma: 1.3, seed: 3 },
  ].map((options) => new Fleet(address, options));
  return {
    check() { for (const fleet of fleets) fleet.check(); },
    stop() { for (const fleet of fleets) fleet.stop(); },
  };
}
