// Looks for what the Python sandbox needs and installs it where that is allowed. npm run setup; also part of
// npm start and npm test.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseEnv } from 'node:util';

const PACKAGES = ['bubblewrap', 'python3', 'python3-numpy'];
const GVISOR = 'runsc';
/** Packages of gVisor exist for amd64 alone. */
export const HAS_GVISOR_PACKAGE = process.arch === 'x64';

/** As src/config reads them, which is not compiled yet. */
const settings = { ...(existsSync('.env') ? parseEnv(readFileSync('.env', 'utf8')) : {}), ...process.env };

/** Whether this process shall make sandboxes, or another one, or nobody. */
export function makesSandboxes() {
  return ['bubblewrap', 'gvisor'].includes(settings.SANDBOX_DRIVER || 'bubblewrap');
}

/**
 * Returns null when all is there, else the line that says what to run. `gvisor`: what its tests need too; nothing else
 * does.
 */
export function setUpSandbox({ gvisor = false } = {}) {
  const lacking = () => [...missing(), ...(gvisor && !isThere('/usr/bin/runsc') ? [GVISOR] : [])];
  if (lacking().length === 0) return null;
  const packages = gvisor ? [...PACKAGES, GVISOR] : PACKAGES;
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  const rights = installRights();
  if (rights && isThere('/usr/bin/apt-get')) {
    console.log(`The Python sandbox needs ${lacking().join(', ')}. Installing: ${[...rights, command].join(' ')}`);
    install(rights, packages);
    if (lacking().length === 0) return null;
  }
  return `The Python sandbox needs ${lacking().join(', ')}. Run: ${process.getuid?.() === 0 ? '' : 'sudo '}${command}`;
}

function missing() {
  if (process.platform !== 'linux') return PACKAGES;
  return [
    ...(isThere(settings.SANDBOX_BWRAP || '/usr/bin/bwrap') ? [] : ['bubblewrap']),
    ...missingPython(settings.SANDBOX_PYTHON || '/usr/bin/python3'),
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

function install(rights, wanted) {
  const run = (...args) =>
    spawnSync(...first([...rights, 'apt-get', ...args]), {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  const packages = ['install', '--yes', '--no-install-recommends', ...wanted];
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
