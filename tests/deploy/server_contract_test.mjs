// Manifests against the real server: it takes their configuration, and answers where they probe and scrape.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import tls from 'node:tls';
import { promisify } from 'node:util';

import { makeAuthority, makeCertificate, mountSecret } from './lib/certificates.mjs';
import { find, render, requireKubectl } from './lib/kubernetes.mjs';
import { checkConfig, inFolder, requireServer, settings, withServer } from './lib/server.mjs';
import { bin, eplbctl, has, readSource, readYaml, run, skip } from './lib/tools.mjs';

requireKubectl();
requireServer();
if (!has('openssl')) skip('openssl is not installed');

const quantity = (text) => {
  const [, number, unit] = /^([\d.]+)(m|Mi|Gi|)$/.exec(text);
  return Number(number) * { m: 1e-3, Mi: 2 ** 20, Gi: 2 ** 30, '': 1 }[unit];
};
const portOf = (address) => Number(address.split(':').at(-1));

// Lays out on this machine what the container of a Deployment would see, and runs body({args, container, pod, folder}).
const inContainerOf = (objects, deployment, body) => inFolder((folder) => {
  const pod = deployment.spec.template.spec;
  const [container] = pod.containers;
  const moved = [];
  for (const { name, mountPath, subPath } of container.volumeMounts) {
    assert.equal(subPath, undefined, 'a subPath is not updated when its source changes');
    const volume = pod.volumes.find((candidate) => candidate.name === name);
    const target = join(folder, name);
    if (volume.configMap) {
      run('mkdir', ['-p', target]);
      for (const [file, text] of Object.entries(find(objects, 'ConfigMap', volume.configMap.name).data)) {
        writeFileSync(join(target, file), text);
      }
    } else {
      makeAuthority(folder);
      makeCertificate(folder, join(folder, 'first'), 'DNS:eplb-live');
      mountSecret(target, join(folder, 'first'));
    }
    moved.push([mountPath, target]);
  }
  const move = (text) => moved.reduce((result, [from, to]) => result.replaceAll(from, to), text);
  for (const [, target] of moved) run('find', [target, '-name', '*.textproto', '-type', 'f']).split('\n').filter(Boolean)
    .forEach((file) => writeFileSync(file, move(readFileSync(file, 'utf8'))));
  return body({ args: container.args.map(move), container, pod, folder });
});

for (const [path, name] of [['base', 'eplb'], ['overlays/dev', 'eplb'], ['overlays/production', 'eplb-live'],
  ['overlays/production', 'eplb-plan']]) {
  const objects = render(path);
  const inContainer = (body) => inContainerOf(objects, find(objects, 'Deployment', name), body);

  test(`${path} ${name}: the server takes the configuration, and the manifest fits it`, () => inContainer(({ args, container, pod }) => {
    assert.deepEqual(checkConfig(args), { code: 0, complaint: '' });
    const effective = settings(args);
    for (const { name: port, containerPort } of container.ports) {
      assert.equal(portOf(effective[`${port}.listen_address`]), containerPort, port);
      assert.match(effective[`${port}.listen_address`], /^0\.0\.0\.0:/, `${port} is reached from outside the pod`);
    }
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
      assert.equal(container[probe].grpc.port, portOf(effective['health.listen_address']), probe);
    }
    assert.equal(effective['live.enabled'], String(name !== 'eplb-plan'), 'fleets meet at one server');
    const { limits } = container.resources;
    const drain = Number(effective['drain.delay']) + Number(effective['drain.timeout']);
    assert(pod.terminationGracePeriodSeconds >= drain + 5, `killed after ${pod.terminationGracePeriodSeconds} s, drains ${drain} s`);
    assert(Number(effective['planner.threads']) >= 1 && Number(effective['planner.threads']) <= quantity(limits.cpu), 'planning threads');
    assert(Number(effective['grpc.memory_quota_bytes']) <= quantity(limits.memory) / 2, 'quota of gRPC against the memory limit');
  }));

  test(`${path} ${name}: the running server answers its probes and its scrape`, () => inContainer(({ args, container }) =>
    withServer(args, async ({ health, metrics }) => {
      for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
        const service = container[probe].grpc.service ?? '';
        assert.equal(run(eplbctl, ['health', health, '--service', service]).trim(), 'SERVING', probe);
      }
      const { path: page } = readYaml('deploy/kubernetes/monitoring/service_monitor.yaml').spec.endpoints[0];
      const response = await fetch(`http://${metrics}${page}`);
      assert.equal(response.status, 200);
      assert.match(await response.text(), /^eplb_build_info\{/m);
    })));
}

// The serial number of the certificate that is served, as a client with the identity in `folder` sees it.
const servedSerial = (address, folder) => new Promise((resolve, reject) => {
  const [host, port] = address.split(':');
  const file = (name) => readFileSync(join(folder, name));
  const socket = tls.connect({ host, port, servername: 'eplb-live', ALPNProtocols: ['h2'], ca: file('ca.crt'),
    cert: file('tls.crt'), key: file('tls.key') }, () => {
    resolve(socket.getPeerCertificate().serialNumber);
    socket.destroy();
  });
  socket.on('error', reject);
});

test('production: a renewed certificate is served without a restart', async () => {
  const objects = render('overlays/production');
  await inContainerOf(objects, find(objects, 'Deployment', 'eplb-live'), ({ args, folder }) => {
    // Who may do what is another matter.
    const config = args[0].slice('--config='.length);
    writeFileSync(config, readFileSync(config, 'utf8').replace(/^authorization \{[^]*?^\}/m, ''));
    return withServer([...args, '--tls.reload_interval=1s'], async ({ grpc }) => {
      const identity = join(folder, 'client');
      makeCertificate(folder, identity, 'URI:spiffe://cluster.local/ns/inference/sa/engine');
      const first = await servedSerial(grpc, identity);
      makeCertificate(folder, join(folder, 'second'), 'DNS:eplb-live');
      mountSecret(join(folder, 'tls'), join(folder, 'second'));
      const deadline = Date.now() + 20_000;
      let now = first;
      while (now === first && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        now = await servedSerial(grpc, identity);
      }
      assert.notEqual(now, first, 'the former certificate is still served after 20 s');
    });
  });
});

test('production: whoever is on call may ask the server as the runbook says, and others may not', async () => {
  const objects = render('overlays/production');
  const [, line] = /^ctl\(\) \{\n([^]*?)^\}/m.exec(readSource('deploy/RUNBOOK.md'));
  const words = line.replaceAll('\\\n', ' ').trim().split(/\s+/);
  const flags = words.slice(words.indexOf('--server') + 2);
  assert(flags.includes('--tls-root'));
  await inContainerOf(objects, find(objects, 'Deployment', 'eplb-live'), ({ args, folder }) =>
    withServer(args, ({ grpc }) => {
      const ask = (identity) => {
        const own = join(folder, identity);
        makeCertificate(folder, own, `URI:spiffe://cluster.local/ns/${identity.replace('-', '/sa/')}`);
        const files = flags.map((flag) => flag.replace('/etc/eplb/tls', own));
        return run(eplbctl, ['list', '--server', grpc, ...files, '--tls-server-name', 'eplb-live', '--format', 'json']);
      };
      assert.deepEqual(JSON.parse(ask('eplb-operator')).deployments, []);
      const pause = (identity) => run(eplbctl, ['pause', 'a', '--server', grpc, ...flags.map((flag) =>
        flag.replace('/etc/eplb/tls', join(folder, identity))), '--tls-server-name', 'eplb-live', '--attempts', '1']);
      assert.throws(() => pause('eplb-operator'), /no worker has told of the deployment/);
      ask('monitoring-prometheus');
      assert.throws(() => pause('monitoring-prometheus'), /monitoring\/sa\/prometheus lacks the role controller/);
    }));
});

test('the example of a simulated fleet runs against a server', () =>
  withServer(['--telemetry.report_interval=0.5s'], async ({ grpc, metrics }) => {
    const { containers: [{ command, args }] } = readYaml('deploy/kubernetes/examples/simulated_fleet.yaml').spec.template.spec;
    const own = args.map((arg) => arg.replace(/^--server=.*/, `--server=${grpc}`).replace(/^--seconds=.*/, '--seconds=5'));
    await promisify(execFile)(join(bin, basename(command[0])), own);
    const page = await (await fetch(`http://${metrics}/metrics`)).text();
    assert.match(page, /^eplb_reports_total\{deployment="simulated\/fleet-0",outcome="folded"\} [1-9]/m);
  }));

test('a key that the schema does not know is refused', () => inFolder((folder) => {
  const file = join(folder, 'eplb.textproto');
  writeFileSync(file, 'grpc { listen_adress: "127.0.0.1:0" }');
  const { code, complaint } = checkConfig([`--config=${file}`]);
  assert.equal(code, 2);
  assert.match(complaint, /listen_adress/);
}));
