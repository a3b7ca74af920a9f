import { readFileSync } from 'node:fs';

/** In the order in which they import each other. */
const MODULES = ['channels', 'confinement', 'launcher', 'values', 'zygote', 'runner'] as const;

/**
 * The runner as one text for `python3 -c`. The user of the sandboxes may be unable to read the folder of the project,
 * so its source goes in as an argument, not as a path. A JSON text is a Python literal too, as long as it is well formed
 * Unicode. The modules leave sys.modules again: their names belong to the code. `confinement` names the files that make up
 * the module of that name.
 */
export function loadRunner(confinement: readonly string[] = ['confinement']): string {
  const sources = MODULES.map((name) => [name, readModule(...(name === 'confinement' ? confinement : [name]))]);
  return `import sys
for name, text in ${JSON.stringify(sources)}:
    module = sys.modules[name] = type(sys)(name)
    exec(compile(text, name + ".py", "exec"), module.__dict__)
for name in ${JSON.stringify(MODULES)}:
    del sys.modules[name]
module.main()
`;
}

function readModule(...files: readonly string[]): string {
  return files.map((file) => readFileSync(new URL(`./python/${file}.py`, import.meta.url), 'utf8')).join('\n\n');
}
