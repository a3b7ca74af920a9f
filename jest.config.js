/** What both projects share. Sources and tests run as the ES modules they are (see the "test" script). */
const shared = {
  testEnvironment: 'node',
  // Only here does it count; unit tests need milliseconds.
  testTimeout: 30_000,
  coverageProvider: 'v8',
  extensionsToTreatAsEsm: ['.ts'],
  resolver: '<rootDir>/test/jest-resolver.cjs',
  setupFiles: ['<rootDir>/test/jest.setup.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        swcrc: false,
        sourceMaps: 'inline',
        module: { type: 'es6' },
        jsc: {
          target: 'es2024',
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: true },
          keepClassNames: true,
          experimental: { keepImportAttributes: true },
        },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

/** They start real sandboxes. `test/house.spec.ts` fails when one is missing here. */
const sandboxSpecs = [
  '**/src/code-security/code-security.service.spec.ts',
  '**/src/code-security/sandbox/{hostile-cases,self-test,values-of-code}.spec.ts',
  '**/src/**/*.sandbox-spec.ts',
];

/** They hold the product to a time, so nothing may run beside them: `npm test` runs them last, one after another. */
const timedSpecs = ['**/test/{embedded-start,crash,faults,inbox-speed,hostile-load}.e2e-spec.ts'];

/**
 * `unit` needs nothing but this folder; `full` and `timed` need a database and the sandbox. Needs Node >= 24.9 with
 * --experimental-vm-modules.
 * @type {import('jest').Config}
 */
export default {
  projects: [
    {
      ...shared,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/src/**/*.spec.ts',
        '<rootDir>/test/house.spec.ts',
        ...sandboxSpecs.map((glob) => `!${glob}`),
      ],
    },
    {
      ...shared,
      displayName: 'full',
      globalSetup: '<rootDir>/test/global-setup.mjs',
      globalTeardown: '<rootDir>/test/global-teardown.mjs',
      testMatch: [
        ...sandboxSpecs,
        '<rootDir>/src/**/*.db-spec.ts',
        '<rootDir>/test/**/*.{spec,db-spec,e2e-spec}.ts',
        '!**/test/house.spec.ts',
        ...timedSpecs.map((glob) => `!${glob}`),
      ],
    },
    {
      ...shared,
      displayName: 'timed',
      globalSetup: '<rootDir>/test/global-setup.mjs',
      globalTeardown: '<rootDir>/test/global-teardown.mjs',
      testMatch: timedSpecs,
    },
  ],
  // Only here does it count; unit tests need milliseconds.
  testTimeout: 30_000,
  coverageProvider: 'v8',
  // Each test file loads its own copy of Nest and that memory is not given back: recycle the workers.
  // (One worker would mean "in this process", where the limit does not apply.)
  maxWorkers: 2,
  workerIdleMemoryLimit: '768MB',
};
