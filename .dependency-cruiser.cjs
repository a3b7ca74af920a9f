// Who may import what. `allowed` is the whole table: an import that no line of it covers is an error. Each line says why.
// A new arrow between modules is a decision: add it here with its reason, or turn the call around (an event, or an
// interface owned by the one who asks).

/** The doors of a module; everything else of it is its own business. */
const DOOR = '\\.(service|module|events|errors)\\.ts$';
const TESTS = '\\.(spec|db-spec|e2e-spec|sandbox-spec|fixture)\\.ts$';
const ENGINE = '^src/workflows/engine/';

/** From one module through the doors of others. */
const through = (from, to, comment) => ({
  comment,
  from: { path: `^src/${from}/` },
  to: { path: `^src/(${to.join('|')})/[^/]+${DOOR}` },
});

/** Exactly these files, which are no doors. */
const exception = (from, to, comment) => ({ comment, from: { path: from }, to: { path: to } });

const allowed = [
  exception('^src/([^/]+)/', '^src/$1/', 'A module may use all of itself.'),
  exception('^src/(?!config/)[^/]+/', '^src/platform/', 'platform knows no module, so every module may know it.'),
  exception('^src/', '^src/config/settings\\.ts$', 'The settings are injected everywhere, and read nowhere else.'),

  through(
    'auth',
    ['audit', 'organizations'],
    'Sessions are on record; registering makes an organization and its owner.',
  ),
  through('organizations', ['audit'], 'Changes of members, roles and groups are on record.'),
  through('workflows', ['audit'], 'Changes of workflows are on record.'),
  through(
    'executions',
    ['audit', 'workflows', 'code-security', 'secrets'],
    'Runs versions of workflows, and code in sandboxes with the secrets that it names.',
  ),
  through(
    'checkpoints',
    ['audit', 'executions', 'notifications', 'organizations'],
    'A decision ends a waiting step, is on record, and depends on what its person is in the organization; people are told what waits.',
  ),
  through('code-security', ['audit'], 'Every run of code is on record.'),
  through('secrets', ['audit'], 'Who set a secret is on record.'),
  through('notifications', ['audit', 'organizations'], 'Who is told is a member; changes of endpoints are on record.'),
  through('health', ['code-security', 'notifications'], 'Readiness tells whether code can run and where mail goes.'),
  through('demo', ['auth', 'organizations', 'workflows', 'executions'], 'Makes what a visitor finds, as people would.'),

  exception('^src/executions/', ENGINE, 'The engine is a pure library: no state to protect, and this is who runs it.'),
  exception('^src/checkpoints/', `${ENGINE}json-value\\.ts$`, 'The type of any JSON value.'),
  exception('^src/checkpoints/', `${ENGINE}checkpoint-policy\\.ts$`, 'What a definition asks of a checkpoint.'),
  exception('^src/checkpoints/', `${ENGINE}expressions/cel-time\\.ts$`, 'What clocks in a time zone show.'),
  exception(
    '^src/checkpoints/',
    '^src/executions/parked-steps\\.ts$',
    'The interface by which executions ask for checkpoints.',
  ),
  exception(
    '^src/executions/',
    '^src/code-security/sandbox/sandbox-driver\\.ts$',
    'The types of a job and of its result.',
  ),

  exception('^src/[^/]+\\.ts$', '^src/([^/]+\\.ts$|config/|platform/)', 'Files at the top put the program together.'),
  exception('^src/app\\.module\\.ts$', '^src/[^/]+/[^/]+\\.module\\.ts$', 'Lists the modules.'),
  exception('^src/app\\.module\\.ts$', '^src/auth/jwt-auth\\.guard\\.ts$', 'Puts the guards in their order.'),
  exception(
    '^src/start-side-car\\.ts$',
    '^src/code-security/(code-security\\.service|code-security-options|serve-sandbox)\\.ts$',
    'Puts a side-car together: this module alone, without Nest around it.',
  ),
  exception('^src/doctor\\.ts$', '^src/code-security/sandbox/[^/]+\\.ts$', 'Looks at each layer of a sandbox.'),
  exception('^src/data-source\\.ts$', '^src/[^/]+/[^/]+\\.entity\\.ts$', 'Lists the entities for TypeORM.'),
  exception(
    '^src/data-source\\.ts$',
    '^src/platform/idempotency/[^/]+\\.entity\\.ts$',
    'Lists the entities for TypeORM.',
  ),
  exception('^src/data-source\\.ts$', '^migrations/index\\.ts$', 'Lists the migrations for TypeORM.'),
  exception('^src/welcome\\.ts$', '^src/demo/demo-people\\.ts$', 'Tells the demo logins at the start.'),
  exception(
    '^migrations/',
    '^migrations/',
    'The list of migrations. They know nothing of src, which changes while they stay.',
  ),

  exception(`^test/|${TESTS}`, '.', 'Tests may look at everything.'),
  { comment: 'Packages, and what Node brings.', from: {}, to: { dependencyTypes: ['npm', 'npm-optional', 'core'] } },
];

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  allowed,
  allowedSeverity: 'error',
  forbidden: [
    {
      name: 'engine-is-pure',
      comment: 'The same rows must give the same answer on every worker: no Nest, database, file, network or clock.',
      severity: 'error',
      from: { path: ENGINE, pathNot: TESTS },
      to: {
        pathNot: [
          ENGINE,
          '^src/platform/json-schema/',
          '^src/platform/errors/domain-error\\.ts$',
          'node_modules/(zod|@marcbachmann/cel-js|re2js)/',
        ],
      },
    },
    {
      name: 'json-schema-is-pure',
      comment: 'The engine uses it.',
      severity: 'error',
      from: { path: '^src/platform/json-schema/', pathNot: TESTS },
      to: {
        pathNot: [
          '^src/platform/json-schema/',
          '^src/platform/errors/domain-error\\.ts$',
          'node_modules/(ajv|ajv-formats|re2js)/',
        ],
      },
    },
    {
      name: 'no-circle',
      comment:
        'Whoever reads one file of a circle has to read all. Types that are used both ways vanish when compiled.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-dev-dependency',
      comment: 'It is not there in production.',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: TESTS },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-undeclared-package',
      comment: 'It is there by chance, because another package wants it. Name it in package.json.',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'no-unresolvable',
      comment: 'There is no such file or package.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-test-in-the-product',
      comment: 'Sources do not depend on tests.',
      severity: 'error',
      from: { path: '^(src|migrations)/', pathNot: TESTS },
      to: { path: [TESTS, '^test/'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
