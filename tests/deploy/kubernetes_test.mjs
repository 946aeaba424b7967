// Manifests: they render, their fields exist, and their parts fit each other.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'node:test';

import { find, problems, render, requireKubectl } from './lib/kubernetes.mjs';
import { selectors } from './lib/promql.mjs';
import { rules } from './lib/rules.mjs';
import { inFolder } from './lib/server.mjs';
import { readSource, readYaml, run, source, yaml } from './lib/tools.mjs';

requireKubectl();
const overlays = Object.fromEntries(
  ['base', 'overlays/dev', 'overlays/production'].map((path) => [path, render(path)]));
const production = overlays['overlays/production'];
const deploymentsOf = (objects) => objects.filter((object) => object.kind === 'Deployment');
const containerOf = (deployment) => deployment.spec.template.spec.containers[0];
const selects = (selector, labels) => Object.entries(selector).every(([key, value]) => labels[key] === value);
// A LabelSelector, both its forms.
const matches = ({ matchLabels = {}, matchExpressions = [] }, labels) => selects(matchLabels, labels) &&
  matchExpressions.every(({ key, operator, values }) => ({ In: values?.includes(labels[key]), NotIn: !values?.includes(labels[key]),
    Exists: key in labels, DoesNotExist: !(key in labels) })[operator]);
const examples = Object.fromEntries(readdirSync(join(source, 'deploy/kubernetes/examples')).map((file) =>
  [file, yaml.parseAllDocuments(readSource(`deploy/kubernetes/examples/${file}`)).map((document) => document.toJS())]));
const selectorsOfRules = rules.flatMap(({ expr }) => selectors(expr));
// What runs pods: {name, namespace, labels, spec} of each.
const workloads = Object.values(examples).flat().filter(({ spec }) => spec.template || spec.containers)
  .map(({ kind, metadata, spec }) => ({ name: `${kind} ${metadata.name}`, namespace: metadata.namespace,
    ...(spec.template ? { labels: spec.template.metadata.labels, spec: spec.template.spec } : { labels: metadata.labels, spec }) }));

for (const [path, objects] of Object.entries(overlays)) {
  test(`${path}: every object is valid and has no unknown field`, () => {
    assert.deepEqual(objects.flatMap(problems), []);
  });

  test(`${path}: no two objects have one name`, () => {
    const names = objects.map((object) => `${object.kind}/${object.metadata.name}`);
    assert.equal(new Set(names).size, names.length);
  });

  test(`${path}: Services select exactly one Deployment, and target ports that it names`, () => {
    for (const service of objects.filter((object) => object.kind === 'Service')) {
      const selected = deploymentsOf(objects).filter((deployment) =>
        selects(service.spec.selector, deployment.spec.template.metadata.labels));
      assert.equal(selected.length, 1, service.metadata.name);
      for (const port of service.spec.ports) {
        const target = containerOf(selected[0]).ports.find(({ name }) => name === port.targetPort);
        assert.equal(target?.containerPort, port.port, `${service.metadata.name} ${port.name}`);
      }
    }
  });

  test(`${path}: the disruption budget and the network policy select the pods of one Deployment`, () => {
    for (const object of objects.filter(({ kind }) => ['PodDisruptionBudget', 'NetworkPolicy'].includes(kind))) {
      const selector = (object.spec.selector ?? object.spec.podSelector).matchLabels;
      const selected = deploymentsOf(objects).filter((deployment) =>
        selects(selector, deployment.spec.template.metadata.labels));
      assert.equal(selected.length, 1, `${object.kind} ${object.metadata.name}`);
    }
  });

  test(`${path}: the network policy lets the pods of every example in, on ports that the server names`, () => {
    for (const { metadata, spec } of objects.filter(({ kind }) => kind === 'NetworkPolicy')) {
      const [selected] = deploymentsOf(objects).filter((deployment) =>
        matches(spec.podSelector, deployment.spec.template.metadata.labels));
      const named = containerOf(selected).ports.map(({ name }) => name);
      for (const { port } of spec.ingress.flatMap(({ ports }) => ports)) assert(named.includes(port), `${metadata.name}: ${port}`);
      const admits = (labels) => spec.ingress.some(({ from, ports }) => ports.some(({ port }) => port === 'grpc') &&
        from.some(({ podSelector }) => podSelector && matches(podSelector, labels)));
      assert(workloads.length >= 4);
      for (const workload of workloads) assert(admits(workload.labels), `${metadata.name} keeps ${workload.name} out`);
      assert(!admits({ app: 'anybody' }), `${metadata.name} lets anybody in`);
    }
  });

  test(`${path}: pods keep the restricted security standard`, () => {
    for (const deployment of deploymentsOf(objects)) {
      const pod = deployment.spec.template.spec;
      assert.equal(pod.automountServiceAccountToken, false);
      assert.equal(pod.securityContext.runAsNonRoot, true);
      assert.equal(pod.securityContext.seccompProfile.type, 'RuntimeDefault');
      const context = containerOf(deployment).securityContext;
      assert.equal(context.allowPrivilegeEscalation, false);
      assert.equal(context.readOnlyRootFilesystem, true);
      assert.deepEqual(context.capabilities, { drop: ['ALL'] });
    }
  });

  test(`${path}: pods run as the image's user`, () => {
    const [, user, group] = /^USER (\d+):(\d+)$/m.exec(readSource('Dockerfile'));
    for (const deployment of deploymentsOf(objects)) {
      const context = deployment.spec.template.spec.securityContext;
      assert.deepEqual([context.runAsUser, context.runAsGroup, context.fsGroup], [Number(user), Number(group), Number(group)]);
    }
  });

  test(`${path}: requests, limits and three probes are set`, () => {
    for (const deployment of deploymentsOf(objects)) {
      const { resources, startupProbe, readinessProbe, livenessProbe } = containerOf(deployment);
      for (const kind of ['requests', 'limits']) assert.deepEqual(Object.keys(resources[kind]).sort(), ['cpu', 'memory']);
      for (const probe of [startupProbe, readinessProbe, livenessProbe]) assert(probe.grpc.port);
    }
  });

  test(`${path}: the image is the version of this source`, () => {
    const version = /^project\(eplb VERSION ([\d.]+)/m.exec(readSource('CMakeLists.txt'))[1];
    for (const deployment of deploymentsOf(objects)) assert.match(containerOf(deployment).image, new RegExp(`:${version}$`));
  });

  test(`${path}: volumes hold what exists`, () => {
    for (const deployment of deploymentsOf(objects)) {
      for (const { configMap } of deployment.spec.template.spec.volumes) {
        if (configMap) find(objects, 'ConfigMap', configMap.name);
      }
    }
  });
}

test('a field that does not exist is found, wherever it is', () => {
  const [deployment] = deploymentsOf(structuredClone(overlays.base));
  deployment.spec.template.spec.containers[0].readinesProbe = {};
  deployment.metadata.label = 'x';
  assert.deepEqual(problems(deployment), [
    'Deployment eplb: unknown field /metadata/label',
    'Deployment eplb: unknown field /spec/template/spec/containers/0/readinesProbe',
  ]);
});

test('a field of the wrong type is found', () => {
  const [deployment] = deploymentsOf(structuredClone(overlays.base));
  deployment.spec.replicas = 'one';
  assert.match(problems(deployment).join(), /replicas/);
});

test('production: live state has one replica, planning is scaled by its autoscaler', () => {
  assert.equal(find(production, 'Deployment', 'eplb-live').spec.replicas, 1);
  assert.equal(find(production, 'Deployment', 'eplb-plan').spec.replicas, undefined);
  const autoscaler = find(production, 'HorizontalPodAutoscaler');
  assert.equal(autoscaler.spec.scaleTargetRef.name, 'eplb-plan');
});

test('production: Prometheus scrapes every pod once, as the job that rules and dashboards expect', () => {
  const monitor = find(production, 'ServiceMonitor');
  assert.equal(monitor.spec.jobLabel, 'app.kubernetes.io/name');
  const [endpoint] = monitor.spec.endpoints;
  const scraped = production.filter((object) => object.kind === 'Service' &&
    selects(monitor.spec.selector.matchLabels, object.metadata.labels) &&
    object.spec.ports.some((port) => port.name === endpoint.port));
  assert.deepEqual(scraped.map((service) => service.metadata.name).sort(), ['eplb-headless-live', 'eplb-headless-plan']);
  for (const service of scraped) {
    assert.equal(service.spec.clusterIP, 'None');
    assert.equal(service.metadata.labels['app.kubernetes.io/name'], 'eplb');
  }
});

test('production: live and planning servers are told apart by the label that the rules use', () => {
  const { relabelings } = find(production, 'ServiceMonitor').spec.endpoints[0];
  const { sourceLabels: [label] } = relabelings.find(({ targetLabel }) => targetLabel === 'component');
  const podLabel = (deployment) => Object.entries(deployment.spec.template.metadata.labels).find(([key]) =>
    `__meta_kubernetes_pod_label_${key.replace(/[^a-zA-Z0-9_]/g, '_')}` === label)?.[1];
  assert.deepEqual(deploymentsOf(production).map((deployment) => [deployment.metadata.name, podLabel(deployment)]).sort(),
    [['eplb-live', 'live'], ['eplb-plan', 'plan']]);
  const named = selectorsOfRules.flatMap(({ labels }) => labels.get('component') ?? []).map(({ value }) => value).filter(Boolean);
  assert.deepEqual([...new Set(named)], ['live']);
});

test('production: the rules of the operator are the rules of the files', () => {
  const files = ['recording.rules.yaml', 'alerts.rules.yaml'].flatMap((file) => readYaml(`deploy/prometheus/${file}`).groups);
  assert.deepEqual(find(production, 'PrometheusRule').spec.groups, files, 'run deploy/prometheus/make_prometheus_rule.sh');
});

test('the rules of the operator point to where the runbook is served', () => inFolder((folder) => {
  const script = join(source, 'deploy/prometheus/make_prometheus_rule.sh');
  const file = join(folder, 'rule.yaml');
  for (const base of ['https://git.example.com/eplb/blob/main', 'https://git.example.com/eplb/blob/main/']) {
    run('bash', [script, base, file]);
    const urls = yaml.parse(readFileSync(file, 'utf8')).spec.groups.flatMap((group) => group.rules)
      .filter(({ alert }) => alert).map(({ annotations }) => annotations.runbook_url);
    assert(urls.length > 10);
    for (const url of urls) assert.match(url, /^https:\/\/git\.example\.com\/eplb\/blob\/main\/deploy\/RUNBOOK\.md#eplb[a-z]+$/);
  }
  assert.throws(() => run('bash', [script, 'deploy folder', file]), /must be an http or https URL/);
}));

test('production: the ConfigMap of dashboards holds all of them', () => {
  const config = find(production, 'ConfigMap', 'eplb-dashboards');
  assert.equal(config.metadata.labels.grafana_dashboard, '1');
  const files = readdirSync(join(source, 'deploy/grafana')).filter((name) => name.endsWith('.json'));
  assert.deepEqual(Object.keys(config.data).sort(), files.sort());
  for (const name of files) assert.equal(config.data[name], readSource(`deploy/grafana/${name}`));
  assert(JSON.stringify(config.data).length < 900_000, 'a ConfigMap holds at most 1 MiB');
});

test('the overlay that README.md shows renders, and sets what it says', () => inFolder((folder) => {
  const [, text] = /```yaml\n([^]*?)```/.exec(readSource('deploy/README.md'));
  const inTheirFolder = relative(realpathSync(folder), realpathSync(join(source, 'deploy/kubernetes/overlays/production')));
  writeFileSync(join(folder, 'kustomization.yaml'), text.replace('../production', inTheirFolder));
  const objects = yaml.parseAllDocuments(run('kubectl', ['kustomize', folder])).map((document) => document.toJS());
  assert.deepEqual(objects.flatMap(problems), []);
  for (const deployment of deploymentsOf(objects)) assert.match(containerOf(deployment).image, /^registry\.example\.com\/eplb:[\d.]+$/);
  for (const kind of ['ServiceMonitor', 'PrometheusRule']) assert.equal(find(objects, kind).metadata.labels.release, 'kube-prometheus-stack');
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  assert.equal(policies.length, 2);
  for (const { spec } of policies) {
    const scrapes = spec.ingress.find(({ ports }) => ports.some(({ port }) => port === 'metrics'));
    assert.deepEqual(scrapes.from, [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'observability' } } }]);
  }
}));

test('example certificates fit: servers by the names of their Services, clients by the identities that have a role', () => {
  const [server, ...clients] = examples['certificates.yaml'].map(({ spec }) => spec);
  const services = production.filter(({ kind }) => kind === 'Service').map(({ metadata }) =>
    `${metadata.name}.${metadata.namespace}.svc.cluster.local`);
  assert.deepEqual(server.dnsNames.sort(), services.sort());
  assert.equal(server.secretName, 'eplb-tls');
  const uris = clients.flatMap((client) => client.uris);
  assert.equal(uris.length, 2);
  for (const uri of uris) assert(readSource('deploy/kubernetes/components/mtls/eplb.textproto').includes(`"${uri}"`), uri);
});

test('examples are valid and have no unknown field', () => {
  for (const [file, objects] of Object.entries(examples)) {
    if (file !== 'certificates.yaml') assert.deepEqual(objects.flatMap(problems), [], file); // no model of cert-manager's
  }
});

test('examples mount Secrets that the example certificates make, in their own namespace', () => {
  const made = examples['certificates.yaml'].map(({ metadata, spec }) => `${metadata.namespace}/${spec.secretName}`);
  const mounted = workloads.flatMap(({ namespace, spec }) => (spec.volumes ?? []).flatMap(({ secret }) =>
    secret ? `${namespace}/${secret.secretName}` : []));
  assert(mounted.length > 0);
  for (const secret of mounted) assert(made.includes(secret), secret);
});

test('examples call live servers by addresses that the overlays serve', () => {
  const rendered = [...production, ...overlays['overlays/dev']];
  const addresses = Object.values(examples).flatMap((objects) => JSON.stringify(objects).match(/dns:\/\/\/[^"\s,]+/g) ?? []);
  addresses.push(...(readSource('deploy/RUNBOOK.md').match(/eplb-[\w-]+\.eplb\.svc\.cluster\.local:\d+/g) ?? []).map((name) => `dns:///${name}`));
  assert(addresses.length >= 3);
  for (const address of addresses) {
    const [, name, namespace, port] = /^dns:\/\/\/([\w-]+)\.([\w-]+)\.svc\.cluster\.local:(\d+)$/.exec(address) ?? [];
    const service = rendered.find(({ kind, metadata }) => kind === 'Service' && metadata.name === name && metadata.namespace === namespace);
    assert(service?.spec.ports.some((each) => each.name === 'grpc' && each.port === Number(port)), address);
    assert.notEqual(service.metadata.labels['app.kubernetes.io/component'], 'plan', `${address} keeps no fleets`);
  }
});

test("examples that run the server's own image run the one that the overlays run", () => {
  const [image] = new Set(deploymentsOf(overlays['overlays/dev']).map((deployment) => containerOf(deployment).image));
  const own = workloads.flatMap(({ spec }) => spec.containers).filter((container) => /^eplb:/.test(container.image));
  assert.deepEqual(own.map((container) => container.image), [image, image]);
});

test('the adapters of a group tell their pods apart', () => {
  const [{ spec }] = examples['engine_with_sidecar.yaml'];
  const [adapter] = spec.template.spec.initContainers;
  const { name } = adapter.env.find(({ valueFrom }) =>
    valueFrom.fieldRef.fieldPath === "metadata.labels['apps.kubernetes.io/pod-index']");
  assert(adapter.args.some((arg) => arg.includes(`$(${name})`)), 'ranks by the index of the pod');
});
