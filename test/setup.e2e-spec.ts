import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const LACKING = { SANDBOX_BWRAP: '/nowhere/bwrap' };

describe('npm start, before it compiles', () => {
  let folder: string;
  let asked: string;

  /** A folder that has the project in it but for its .env, and programs that only note down that they were called. */
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdpoint-setup-'));
    asked = join(folder, 'asked');
    for (const name of ['apt-get', 'sudo']) {
      writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >> ${asked}\nexit 1\n`, { mode: 0o755 });
    }
    for (const name of ['scripts', 'src', 'migrations', 'dist', 'node_modules', 'package.json', 'nest-cli.json'])
      symlinkSync(resolve(name), join(folder, name));
    for (const name of ['tsconfig.json', 'tsconfig.build.json']) symlinkSync(resolve(name), join(folder, name));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A port that is none ends the start where the product begins. */
  async function start(settings: Record<string, string>): Promise<{ said: string; asked: string }> {
    const env = { PATH: `${folder}:/usr/bin:/bin`, PORT: 'none', ...settings };
    const said = await new Promise<string>((ended) => {
      execFile(process.execPath, ['scripts/start.mjs'], { cwd: folder, env }, (_, stdout, stderr) =>
        ended(stdout + stderr),
      );
    });
    return { said, asked: existsSync(asked) ? readFileSync(asked, 'utf8') : '' };
  }

  it('says what the sandbox needs, and how to get it', async () => {
    const { said } = await start(LACKING);
    expect(said).toContain('needs bubblewrap. Run: ');
    expect(said).toContain('PORT');
  });

  it.each(['remote', 'none', 'dev-unsafe'])(
    'asks for nothing to be installed where the driver is %s',
    async (driver) => {
      expect(await start({ ...LACKING, SANDBOX_DRIVER: driver })).toEqual({
        said: expect.not.stringContaining('needs') as string,
        asked: '',
      });
    },
  );

  it('reads .env, and takes what is empty for unset', async () => {
    writeFileSync(join(folder, '.env'), 'SANDBOX_BWRAP=/nowhere/bwrap\nSANDBOX_DRIVER=none\n');
    expect((await start({})).asked).toBe('');
    expect((await start({ SANDBOX_DRIVER: '' })).said).toContain('needs bubblewrap');
    expect((await start({ SANDBOX_DRIVER: '', SANDBOX_BWRAP: '' })).said).not.toContain('needs');
  });
});
