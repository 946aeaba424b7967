// The two sets of servers that the production overlay has.
import { join } from 'node:path';

import { makeAuthority, makeCertificate } from './certificates.mjs';
import { inFolder, withServer } from './server.mjs';

// Runs body({folder, live, plan}) with one server of live fleets, which reports each second and by layers, and one that
// only plans, with TLS; of each its addresses.
export const withServerSets = (body) => inFolder((folder) => {
  makeAuthority(folder);
  makeCertificate(folder, join(folder, 'tls'), 'DNS:localhost');
  const tls = [`--tls.certificate_file=${join(folder, 'tls/tls.crt')}`, `--tls.private_key_file=${join(folder, 'tls/tls.key')}`];
  return withServer(['--metrics.per_layer', '--telemetry.report_interval=1s'], (live) =>
    withServer(['--live.enabled=false', ...tls], (plan) => body({ folder, live, plan })));
});
