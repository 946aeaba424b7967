// The Dockerfile against the source and the server: what can be said of it without building it, which
// deploy/image/build.sh and deploy/image/try.sh do.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { checkConfig, requireServer, settings } from './lib/server.mjs';
import { eplbctl, readSource, run, source } from './lib/tools.mjs';

requireServer();
// Comments out, continued lines joined.
const lines = readSource('Dockerfile').replace(/^#.*\n/gm, '').replace(/\\\n/g, ' ').split('\n').filter(Boolean);
const instructions = (name) => lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length).trim());
const [command] = instructions('CMD').map(JSON.parse);
const portOf = (setting) => settings(command)[`${setting}.listen_address`].split(':').at(-1);

test('what is copied exists and is let in by .dockerignore', () => {
  const ignore = readSource('.dockerignore').split('\n').filter((line) => line && !line.startsWith('#'));
  assert.equal(ignore[0], '*');
  const letIn = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const copied = instructions('COPY').filter((args) => !args.startsWith('--from')).flatMap((args) => args.split(/\s+/).slice(0, -1));
  for (const path of copied) {
    assert(existsSync(join(source, path)), path);
    assert(letIn.includes(path), `${path} is not let in`);
  }
  for (const folder of ['tests', '.git', 'build']) assert(!letIn.includes(folder));
});

test('the package lists that it asks for exist', () => {
  for (const [, list] of readSource('Dockerfile').matchAll(/install_packages\.sh (print-\w+)/g)) {
    assert.match(run('bash', [join(source, 'deploy/install_packages.sh'), list]), /libgrpc/);
  }
});

test('the server takes the default arguments, and listens where the image says', () => {
  assert.deepEqual(checkConfig(command), { code: 0, complaint: '' });
  assert.deepEqual(instructions('EXPOSE')[0].split(' '), ['grpc', 'health', 'metrics'].map(portOf));
});

test('the health check asks the health port, in words that eplbctl knows', () => {
  const [healthcheck] = instructions('HEALTHCHECK').map((args) => JSON.parse(args.slice(args.indexOf('['))));
  assert.deepEqual(healthcheck, ['/usr/local/bin/eplbctl', 'health', `127.0.0.1:${portOf('health')}`]);
  assert.match(run(eplbctl, ['health', '--help']), /HOST:PORT/);
});

test('the version is that of the source', () => {
  const version = /^project\(eplb VERSION ([\d.]+)/m.exec(readSource('CMakeLists.txt'))[1];
  assert(instructions('ARG').includes(`VERSION=${version}`));
});

test('build.sh finds the stage that it leaves out where the programs are built already', () => {
  const [, command] = /sed -e '([^']+)'/.exec(readSource('deploy/image/build.sh'));
  const left = run('sed', ['-e', command, join(source, 'Dockerfile')]);
  assert.deepEqual(left.match(/^FROM .*$/gm), ['FROM ${BASE_IMAGE}']);
  assert.equal(left.match(/\bfrom=build\b/g).length, 2, left);
  for (const part of ['cmake', 'COPY server']) assert(!left.includes(part), part);
});

test('build.sh puts the programs that the build stage builds on the image', () => {
  const [, programs] = /PROGRAMS=\((.+)\)/.exec(readSource('deploy/image/build.sh'));
  const [, built] = /--target (.+?)  && install/.exec(lines.join('\n').replace(/\s+&&/g, '  &&'));
  assert.deepEqual(programs.split(' '), built.trim().split(' '));
});

test('it runs as a number that is not root', () => assert.match(instructions('USER').at(-1), /^[1-9]\d*:[1-9]\d*$/));

test('the build needs no tests', () => assert.match(lines.join('\n'), /-DEPLB_BUILD_TESTS=OFF/));
