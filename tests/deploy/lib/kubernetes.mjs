// Rendered manifests, and a validation that also refuses fields that a model does not know.
import { join } from 'node:path';

import { has, run, schema, skip, source, yaml } from './tools.mjs';

// `components` came with kustomize 3.7, kubectl 1.21.
export function requireKubectl() {
  if (!has('kubectl')) skip('kubectl is not installed');
  const version = /Kustomize Version: v(\d+)/.exec(run('kubectl', ['version', '--client', '--output=yaml']) +
    run('kubectl', ['version', '--client']));
  if (!version || Number(version[1]) < 5) skip('kubectl brings a kustomize older than 5');
}

// All objects of deploy/kubernetes/PATH.
export function render(path) {
  const text = run('kubectl', ['kustomize', join(source, 'deploy/kubernetes', path)]);
  return yaml.parseAllDocuments(text).map((document) => document.toJS());
}

export function find(objects, kind, name) {
  const found = objects.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name));
  if (found.length !== 1) throw new Error(`${found.length} of ${kind} ${name ?? ''}`);
  return found[0];
}

const groups = {
  v1: 'IoK8sApiCoreV1',
  'apps/v1': 'IoK8sApiAppsV1',
  'autoscaling/v2': 'IoK8sApiAutoscalingV2',
  'batch/v1': 'IoK8sApiBatchV1',
  'networking.k8s.io/v1': 'IoK8sApiNetworkingV1',
  'policy/v1': 'IoK8sApiPolicyV1',
};

function modelOf({ apiVersion, kind }) {
  if (apiVersion in groups) return schema('kubernetes-models', `${groups[apiVersion]}${kind}`);
  if (apiVersion === 'monitoring.coreos.com/v1') {
    return schema('@kubernetes-models/prometheus-operator', `MonitoringCoreosComV1${kind}`);
  }
  return null;
}

// The models' validators ignore what they do not know; but what they know they read. So they are given the object in a
// wrapping that notes every path that is read, and what nobody read is unknown.
function noting(value, path, read) {
  if (value === null || typeof value !== 'object') return value;
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== 'string') return target[key];
      read.add(`${path}/${key}`);
      return noting(target[key], `${path}/${key}`, read);
    },
  });
}

function unread(value, path, read) {
  if (value === null || typeof value !== 'object') return [];
  return Object.keys(value).flatMap((key) => {
    const inner = `${path}/${key}`;
    return read.has(inner) ? unread(value[key], inner, read) : [inner];
  });
}

// What is wrong with an object, a line each; empty: it is valid.
export function problems(object) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const validate = modelOf(object);
  if (!validate) return [`${name}: no model of ${object.apiVersion} ${object.kind}`];
  const read = new Set();
  const valid = validate(noting(object, '', read));
  const wrong = valid ? [] : validate.errors.map((error) => `${name}: ${error.instancePath} ${JSON.stringify(error.params)}`);
  return [...wrong, ...unread(object, '', read).map((path) => `${name}: unknown field ${path}`)];
}
