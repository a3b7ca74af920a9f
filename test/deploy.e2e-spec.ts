import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { loadSettings } from '../src/config/load-settings.js';
import { secretNames } from '../src/config/settings.js';

const COMPOSE = 'deploy/compose.yaml';
const KUBERNETES = 'deploy/kubernetes/holdpoint.yaml';
const PROFILE = 'deploy/seccomp/holdpoint-sandbox.json';

const DANGEROUS = `ptrace process_vm_readv bpf perf_event_open userfaultfd keyctl add_key io_uring_setup init_module
  finit_module kexec_load reboot swapon setns open_by_handle_at chroot mknod`.split(/\s+/);

const read = (path: string) => readFileSync(path, 'utf8');

function documentsOf(path: string): unknown[] {
  const documents = parseAllDocuments(read(path), { merge: true, strict: true, uniqueKeys: true });
  const errors = [...documents].flatMap((document) => document.errors);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  return [...documents].map((document) => document.toJS() as unknown);
}

interface Container {
  image?: string;
  command?: string[];
  environment?: Record<string, string | number>;
  env?: { name: string; value: string }[];
  [field: string]: unknown;
}

const compose = documentsOf(COMPOSE)[0] as { services: Record<string, Container>; volumes: object; secrets: object };
const objects = documentsOf(KUBERNETES) as { kind: string; spec: Record<string, unknown> }[];

interface Pod {
  hostUsers: boolean;
  automountServiceAccountToken: boolean;
  initContainers: Container[];
  containers: Container[];
}

function podOf(kind: string): Pod {
  const spec = objects.find((object) => object.kind === kind)?.spec as { template: { spec: Pod } };
  return spec.template.spec;
}

/** Each container that runs the image, with its environment. */
function containers(): [where: string, environment: Record<string, string>, container: Container][] {
  const ofCompose = Object.entries(compose.services).filter(([, { image }]) => image === 'holdpoint');
  const pods = [podOf('Job'), podOf('Deployment')].flatMap((pod) => [...(pod.initContainers ?? []), ...pod.containers]);
  return [
    ...ofCompose.map(([name, container]): [string, Record<string, string>, Container] => [
      `${name} of compose`,
      Object.fromEntries(Object.entries(container.environment ?? {}).map(([key, value]) => [key, String(value)])),
      container,
    ]),
    ...pods.map((container): [string, Record<string, string>, Container] => [
      `${String(container['name'])} of Kubernetes`,
      Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value])),
      container,
    ]),
  ];
}

const sideCars = containers().filter(([, environment]) => environment['HOLDPOINT_ROLES'] === 'sandbox');
const servers = containers().filter(([, environment]) => environment['HOLDPOINT_ROLES'] === 'api,worker');

describe('the files of deploy', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdpoint-deploy-'));
  const secrets: Record<string, string> = {
    database_url: 'postgres://holdpoint@127.0.0.1/holdpoint',
    secret_key: randomBytes(48).toString('base64'),
    jwt_private_key: generateKeyPairSync('ec', { namedCurve: 'P-256' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString(),
  };

  beforeAll(() => {
    for (const [name, text] of Object.entries(secrets)) writeFileSync(join(folder, name), text);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(globSync('deploy/**/*.yaml'))('%s is YAML', (path) => {
    expect(documentsOf(path).every((document) => typeof document === 'object' && document !== null)).toBe(true);
  });

  it('run the image in three roles on compose and on Kubernetes', () => {
    expect(containers().map(([where]) => where)).toEqual([
      'migrations of compose',
      'api of compose',
      'sandbox of compose',
      'migrations of Kubernetes',
      'sandbox of Kubernetes',
      'server of Kubernetes',
    ]);
  });

  it.each(containers())('give %s settings that exist and that the product starts with', (_, environment) => {
    const settings = loadSettings({});
    const known = [...Object.keys(settings), ...secretNames.map((name) => `${name}_FILE`)];
    expect(Object.keys(environment).filter((name) => !known.includes(name))).toEqual([]);
    const mounted = Object.entries(environment).map(([name, value]) => [
      name,
      name.endsWith('_FILE') ? join(folder, basename(value)) : value,
    ]);
    expect(loadSettings(Object.fromEntries(mounted) as Record<string, string>).NODE_ENV).toBe('production');
  });

  it.each(sideCars)(
    'give %s no secret, no right and nothing to write to but its socket and /tmp',
    (_, environment, container) => {
      expect(Object.keys(environment).filter((name) => !/^(NODE_ENV|HOLDPOINT_ROLES|SANDBOX_)/.test(name))).toEqual([]);
      expect(container['secrets']).toBeUndefined();
      expect(JSON.stringify(container)).not.toMatch(/secret|docker\.sock|privileged":true|hostPath/);
    },
  );

  it('start every side-car below a first process that waits for what sandboxes leave', () => {
    const image = read('deploy/Dockerfile');
    expect(image).toMatch(/^ {2}&& apt-get install .* tini\b/m);
    expect(image).toMatch(/^ENTRYPOINT \["tini", "--"\]$/m);
    for (const [, , container] of sideCars) {
      expect(container['entrypoint']).toBeUndefined();
      expect(container.command).toBeUndefined();
    }
  });

  it('start the API of compose where code cannot be isolated', () => {
    expect(compose.services['api']?.['depends_on']).toMatchObject({ sandbox: { condition: 'service_started' } });
  });

  it('cut the side-car of compose off from every network', () => {
    const { sandbox } = compose.services;
    expect(sandbox).toMatchObject({
      network_mode: 'none',
      read_only: true,
      cap_drop: ['ALL'],
      volumes: ['socket:/run/holdpoint'],
    });
    expect(sandbox).not.toHaveProperty('networks');
    expect(sandbox?.['security_opt']).toEqual([
      'no-new-privileges:true',
      'seccomp=./seccomp/holdpoint-sandbox.json',
      'apparmor=holdpoint-sandbox',
    ]);
  });

  it('confine the side-car of Kubernetes by its profiles, in a pod without a token', () => {
    const pod = podOf('Deployment');
    expect(pod).toMatchObject({ hostUsers: false, automountServiceAccountToken: false });
    expect(pod.initContainers[0]).toMatchObject({
      restartPolicy: 'Always',
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'Localhost', localhostProfile: basename(PROFILE) },
        appArmorProfile: { type: 'Localhost', localhostProfile: 'holdpoint-sandbox' },
      },
      volumeMounts: [{ mountPath: '/run/holdpoint' }, { mountPath: '/tmp' }],
    });
  });

  it('have both ends agree on the socket and on how much runs at once', () => {
    const shared = ['SANDBOX_SOCKET', 'SANDBOX_CONCURRENCY', 'SANDBOX_MEMORY_MB'];
    const valuesOf = (environment: Record<string, string>) => shared.map((name) => environment[name]);
    const [first = {}] = sideCars.map(([, environment]) => environment);
    expect(valuesOf(first)).toEqual(['/run/holdpoint/sandbox.sock', '2', '2048']);
    for (const [, environment] of [...sideCars, ...servers]) expect(valuesOf(environment)).toEqual(valuesOf(first));
  });

  it('name only what is there', () => {
    const text = globSync('deploy/**/*', { withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('secrets'))
      .map((entry) => read(join(entry.parentPath, entry.name)))
      .join('\n');
    const programs = [...text.matchAll(/dist\/(src\/[\w-]+)\.js/g)].map(([, path]) => `${path}.ts`);
    const files = [...text.matchAll(/\bdeploy\/(?!secrets)[\w./-]*\w/g)].map(([path]) => path);
    const copied = [...read('deploy/Dockerfile').matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, from = '']) =>
      from.split(' '),
    );
    const relative = [...read(COMPOSE).matchAll(/=\.\/(\S+)/g)].map(([, path = '']) => join(dirname(COMPOSE), path));
    expect([programs.length, files.length, copied.length, relative.length].every((found) => found > 0)).toBe(true);
    expect([...programs, ...files, ...copied, ...relative].filter((path) => !existsSync(path))).toEqual([]);
    expect(text).not.toMatch(/BEGIN PRIVATE KEY|:latest/);
  });
});

describe('the seccomp profile', () => {
  const profile = JSON.parse(read(PROFILE)) as {
    defaultAction: string;
    syscalls: { names: string[]; action: string; args?: { index: number; value: number; op: string }[] }[];
  };
  const allowed = profile.syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW');

  it('refuses what it does not name, and names what exists', () => {
    expect(profile.defaultAction).toBe('SCMP_ACT_ERRNO');
    const code =
      'import ctypes, sys; resolve = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name\n' +
      'print([name for name in sys.argv[1:] if resolve(name.encode()) == -1])';
    const names = allowed.flatMap((rule) => rule.names);
    const unknown = (given: string[]) =>
      execFileSync('/usr/bin/python3', ['-I', '-c', code, ...given])
        .toString()
        .trim();
    expect(unknown(names)).toBe('[]');
    expect(unknown(['opnat'])).toBe("['opnat']");
  });

  it('allows no socket but AF_UNIX and that by which bubblewrap starts a loopback interface', () => {
    const equals = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' });
    const sockets = allowed.filter(({ names }) => names.includes('socket'));
    expect(sockets.map(({ names, args }) => [names, args])).toEqual([
      [['socket'], [equals(0, 1)]],
      [['socket'], [equals(0, 16), equals(2, 0)]],
    ]);
  });

  it.each(DANGEROUS)('does not allow %s', (name) => {
    expect(allowed.filter(({ names }) => names.includes(name))).toEqual([]);
  });
});
