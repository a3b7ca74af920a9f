// Looks for what the Python sandbox needs and installs it where that is allowed. npm run setup; also part of
// npm start and npm test.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { pathToFileURL } from 'node:url';

const PACKAGES = ['bubblewrap', 'python3', 'python3-numpy'];
const COMMAND = `apt-get install --no-install-recommends ${PACKAGES.join(' ')}`;

/** Returns null when all is there, else the line that says what to run. */
export function setUpSandbox() {
  if (missing().length === 0) return null;
  const rights = installRights();
  if (rights && isThere('/usr/bin/apt-get')) {
    console.log(`The Python sandbox needs ${missing().join(', ')}. Installing: ${[...rights, COMMAND].join(' ')}`);
    install(rights);
    if (missing().length === 0) return null;
  }
  return `The Python sandbox needs ${missing().join(', ')}. Run: ${process.getuid?.() === 0 ? '' : 'sudo '}${COMMAND}`;
}

function missing() {
  if (process.platform !== 'linux') return PACKAGES;
  return [
    ...(isThere(process.env.SANDBOX_BWRAP ?? '/usr/bin/bwrap') ? [] : ['bubblewrap']),
    ...missingPython(process.env.SANDBOX_PYTHON ?? '/usr/bin/python3'),
  ];
}

function missingPython(python) {
  if (!isThere(python)) return ['python3', 'python3-numpy'];
  const { status } = spawnSync(python, ['-I', '-c', 'import importlib.util as u; exit(u.find_spec("numpy") is None)']);
  return status === 0 ? [] : ['python3-numpy'];
}

/** The words to put before a command so that it may install; null when it may not. */
function installRights() {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo'] : null;
}

function install(rights) {
  const run = (...args) =>
    spawnSync(...first([...rights, 'apt-get', ...args]), {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  const packages = ['install', '--yes', '--no-install-recommends', ...PACKAGES];
  // The list of packages may be missing or old on a fresh machine.
  if (!run(...packages) && run('update')) run(...packages);
}

function first([command, ...args]) {
  return [command, args];
}

function isThere(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const lacking = setUpSandbox();
  console.log(lacking ?? 'The Python sandbox has what it needs.');
  process.exitCode = lacking ? 1 : 0;
}
