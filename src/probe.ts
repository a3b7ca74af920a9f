// node dist/src/probe.js [liveness | readiness]: asks the process that this one's settings describe, for container probes:
// the API by HTTP, a side-car at its socket. Ends with 0 when the answer is 200.
import { get } from 'node:http';
import { readEnvironment } from './config/read-environment.js';

const { HOLDPOINT_ROLES, SANDBOX_SOCKET, PORT } = readEnvironment();
const path = `/health/${process.argv[2] ?? 'liveness'}`;
const where =
  HOLDPOINT_ROLES === 'sandbox' ? { socketPath: SANDBOX_SOCKET } : { host: '127.0.0.1', port: PORT || 3000 };

const request = get({ ...where, path, timeout: 4_000 }, (response) => {
  response.resume();
  process.exitCode = response.statusCode === 200 ? 0 : 1;
});
request.on('timeout', () => request.destroy(new Error('no answer within 4 s')));
request.on('error', (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
