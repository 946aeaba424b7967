// Certificates as cert-manager writes them, in folders that are swapped as the kubelet does.
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { run } from './tools.mjs';

const openssl = (...args) => run('openssl', args);

// An authority in `folder`/ca.{crt,key}.
export function makeAuthority(folder) {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=authority', '-keyout', join(folder, 'ca.key'), '-out', join(folder, 'ca.crt'));
}

// tls.crt, tls.key and ca.crt in `target`, for `names` such as DNS:eplb or URI:spiffe://..., signed by `authority`.
export function makeCertificate(authority, target, names) {
  mkdirSync(target, { recursive: true });
  const [key, request, extensions] = ['tls.key', 'request', 'extensions'].map((file) => join(target, file));
  writeFileSync(extensions, `subjectAltName=${names}\n`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/O=eplb',
    '-keyout', key, '-out', request);
  openssl('x509', '-req', '-in', request, '-CA', join(authority, 'ca.crt'), '-CAkey', join(authority, 'ca.key'),
    '-CAcreateserial', '-days', '1', '-extfile', extensions, '-out', join(target, 'tls.crt'));
  run('cp', [join(authority, 'ca.crt'), target]);
}

// A mounted Secret: tls.crt -> ..data/tls.crt, ..data -> `version`. Called again it swaps the one link.
export function mountSecret(mount, version) {
  mkdirSync(mount, { recursive: true });
  symlinkSync(version, join(mount, '..data_tmp'));
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  for (const file of ['tls.crt', 'tls.key', 'ca.crt']) {
    try {
      symlinkSync(join('..data', file), join(mount, file));
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
  }
}
