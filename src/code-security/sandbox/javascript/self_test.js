// Runs as a job and tries to start a process, to reach the host's network and to look at its processes.
const codeOf = (attempt) => {
  try {
    attempt();
    return 'no error';
  } catch (error) {
    return error.code;
  }
};

globalThis.output = new Promise((resolve) => {
  const process = codeOf(() => require('child_process').execFileSync('/usr/bin/true'));
  const files = codeOf(() => require('fs').readdirSync('/proc'));
  const socket = require('net').connect(9, '127.0.0.1');
  socket.on('connect', () => resolve([process, 'no error', files]));
  socket.on('error', ({ code }) => resolve([process, code, files]));
});
