import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { productionProblems } from './production-rules.js';
import { sideCarProblems } from './side-car-rules.js';
import { type GivenSettings, secretNames, settingsSchema } from './settings.js';

type Environment = Record<string, string | undefined>;

/** Everything that is wrong with the settings, at once, one line each. */
export class SettingsError extends Error {
  constructor(
    readonly problems: string[],
    /** Those that can be read, defaults in the place of the others; nothing starts with them. */
    readonly readable?: GivenSettings,
  ) {
    super(`The settings are not usable:\n${problems.map((line) => `  - ${line}`).join('\n')}\nSee .env.example.`);
    this.name = 'SettingsError';
  }
}

/**
 * Reads and checks the environment.
 * @throws SettingsError naming every variable that is wrong, why, and what it would accept.
 */
export function loadSettings(environment: Environment): GivenSettings {
  const { values, problems } = withSecretFiles(environment);
  const parsed = settingsSchema.safeParse(values);
  const wrong = new Set((parsed.error?.issues ?? []).map((issue) => String(issue.path[0])));
  problems.push(...(parsed.error?.issues ?? []).map(describe));
  problems.push(...sideCarProblems(usable(values, wrong), environment, wrong));
  if (values.NODE_ENV === 'production') problems.push(...productionProblems(usable(values, wrong), wrong));
  if (problems.length > 0 || !parsed.success) throw new SettingsError(problems, usable(values, wrong));
  return Object.freeze(parsed.data);
}

/** The settings that can be read, with defaults in the place of those that cannot. */
function usable(values: Environment, wrong: ReadonlySet<string>): GivenSettings {
  return settingsSchema.parse({ ...values, ...Object.fromEntries([...wrong].map((name) => [name, undefined])) });
}

/** An empty variable counts as unset: that is how compose files and shells pass "nothing". */
function withSecretFiles(environment: Environment): { values: Environment; problems: string[] } {
  const known = Object.keys(settingsSchema.shape);
  const values = Object.fromEntries(known.map((name) => [name, environment[name] || undefined]));
  const problems: string[] = [];
  for (const name of secretNames) {
    const file = environment[`${name}_FILE`];
    if (!file) continue;
    if (values[name]) problems.push(`${name} and ${name}_FILE are both set: keep one of them`);
    try {
      values[name] = readFileSync(file, 'utf8').trim();
    } catch (error) {
      problems.push(`${name}_FILE: cannot read ${file} (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`);
    }
  }
  return { values, problems };
}

function describe(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.')}: ${issue.message}`;
}
