// What the tests stand on: the project's files, the npm packages of with_tools.sh, and programs.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export const source = process.env.EPLB_SOURCE;
export const tools = process.env.EPLB_TOOLS;
export const bin = process.env.EPLB_BIN;
assert(source && tools && bin, 'run by ctest, or with EPLB_SOURCE, EPLB_BIN and EPLB_TOOLS set');

export const packages = createRequire(join(tools, 'x.js'));
export const yaml = packages('yaml');
export const promqlParser = packages('@prometheus-io/lezer-promql').parser;

// The validator of a model, as in schema('kubernetes-models', 'IoK8sApiAppsV1Deployment'); null where there is none.
export function schema(packageName, model) {
  try {
    return packages(join(tools, 'node_modules', packageName, '_schemas', `${model}.js`)).validate;
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND' && error.message.includes(`${model}.js`)) return null; // not what it needs itself
    throw error;
  }
}

export const server = join(bin, 'eplb-server');
export const eplbctl = join(bin, 'eplbctl');

export const readSource = (path) => readFileSync(join(source, path), 'utf8');
export const readYaml = (path) => yaml.parse(readSource(path));

export function has(program) {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
}

// Ends the test program as skipped.
export function skip(reason) {
  console.log(`SKIPPED: ${reason}`);
  process.exit(77);
}

// Runs a program that must succeed; returns its standard output.
export const run = (program, args, options = {}) =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'], ...options });
