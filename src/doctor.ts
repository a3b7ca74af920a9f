// npm run doctor [-- --json]: says of each layer of the sandbox whether it holds, and what to do. Ends with 0 when code can
// run with these settings, else with 1.
import { parseArgs } from 'node:util';
import { chooseDriver } from './code-security/sandbox/choose-driver.js';
import { diagnoseHost, explainMissingSocket, readHost, type Finding } from './code-security/sandbox/diagnose-host.js';
import { RemoteDriver } from './code-security/sandbox/remote-driver.js';
import type { SandboxDriver } from './code-security/sandbox/sandbox-driver.js';
import { testSandbox } from './code-security/sandbox/self-test.js';
import { loadSettings, SettingsError } from './config/load-settings.js';
import { readEnvironment } from './config/read-environment.js';
import type { GivenSettings } from './config/settings.js';

const environment = readEnvironment();
const { settings, problems } = readSettings();
const driver = chooseDriver(settings);
const findings = [...problems, ...(await examine(driver))];
await driver.close();
const { json } = parseArgs({ options: { json: { type: 'boolean' } } }).values;
const failed = findings.filter(({ state }) => state === 'failing');
console.log(json ? JSON.stringify({ works: failed.length === 0, findings }, null, 2) : describe());
process.exitCode = failed.length === 0 ? 0 : 1;

/** What is wrong with the settings is one more layer; the others are looked at with those that can be read. */
function readSettings(): { settings: GivenSettings; problems: Finding[] } {
  try {
    return { settings: loadSettings(environment), problems: [] };
  } catch (error) {
    if (!(error instanceof SettingsError) || !error.readable) throw error;
    const fix = 'Change these settings; .env.example explains each.';
    const problem: Finding = { layer: 'settings', state: 'failing', seen: error.problems.join('\n'), fix };
    return { settings: error.readable, problems: [problem] };
  }
}

async function examine(chosen: SandboxDriver): Promise<Finding[]> {
  if (settings.SANDBOX_DRIVER === 'none') {
    const fix = 'SANDBOX_DRIVER=bubblewrap, or remote with a side-car';
    return [{ layer: 'driver', state: 'failing', seen: 'SANDBOX_DRIVER=none refuses all code', fix }];
  }
  if (settings.SANDBOX_DRIVER === 'remote' && !settings.SANDBOX_SOCKET) return []; // told with the settings
  const layers = await lookAtLayers(chosen);
  const isBroken = layers.some(({ state }) => state === 'failing');
  return isBroken ? layers : [...layers, ...(await selfTest(chosen))];
}

async function lookAtLayers(chosen: SandboxDriver): Promise<Finding[]> {
  if (chosen.warning) return [{ layer: 'driver', state: 'optional', seen: chosen.warning, fix: null }];
  return chosen instanceof RemoteDriver ? [await lookAtSideCar(chosen)] : diagnoseHost(settings, readHost(environment));
}

async function lookAtSideCar(remote: RemoteDriver): Promise<Finding> {
  const socket = settings.SANDBOX_SOCKET ?? '';
  try {
    const { available, driver: name, reason } = await remote.health();
    if (available) return { layer: 'side-car', state: 'ok', seen: `${socket}, ${name} sandboxes`, fix: null };
    const fix = 'Run the doctor where the side-car runs: node dist/src/doctor.js';
    return { layer: 'side-car', state: 'failing', seen: reason ?? 'it cannot run code', fix };
  } catch (error) {
    return { layer: 'side-car', state: 'failing', seen: (error as Error).message, fix: explainMissingSocket(socket) };
  }
}

/** As the service does: of a driver without walls it wants no more than that it starts. */
async function selfTest(chosen: SandboxDriver): Promise<Finding[]> {
  const checks = await testSandbox(chosen);
  return checks.map(({ check, ok, detail }) => {
    const finding = { layer: `self-test: ${check}`, seen: detail, fix: null };
    if (ok) return { ...finding, state: 'ok' };
    if (chosen.warning && check !== 'starts') return { ...finding, state: 'optional' };
    const fix = 'This wall does not stand here, so no code is run. See "Self-test" in src/code-security/README.md.';
    return { ...finding, state: 'failing', fix };
  });
}

function describe(): string {
  const width = Math.max(...findings.map(({ layer }) => layer.length));
  const indent = ' '.repeat(width + 12);
  const lines = findings.flatMap(({ layer, state, seen, fix }) => [
    `${state.padEnd(9)} ${layer.padEnd(width)}  ${seen.replaceAll('\n', `\n${indent}`)}`,
    ...(fix ? [`${indent}► ${fix}`] : []),
  ]);
  const end = failed[0] ? `Code does not run here: ${failed.map(({ layer }) => layer).join(', ')}.` : 'Code runs here.';
  return [...lines, '', end].join('\n');
}
