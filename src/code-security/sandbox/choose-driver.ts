import type { Settings } from '../../config/settings.js';
import { bubblewrapKind } from './bubblewrap-kind.js';
import { devUnsafeKind } from './dev-unsafe-kind.js';
import type { UnprivilegedUser } from './find-installation.js';
import { gvisorKind } from './gvisor-kind.js';
import { LocalDriver, type LocalDriverOptions } from './local-driver.js';
import { RefusingDriver } from './refusing-driver.js';
import { RemoteDriver } from './remote-driver.js';
import type { SandboxDriver } from './sandbox-driver.js';

export type SandboxSettings = Pick<Settings, Extract<keyof Settings, `SANDBOX_${string}`> | 'NODE_ENV'>;

/** The user and group `nobody` of Linux systems. Other programs may run as it too, so production has to name one. */
const NOBODY = 65_534;

/** What the operator chose, and never another one in its place. */
export function chooseDriver(settings: SandboxSettings): SandboxDriver {
  const python = { python: settings.SANDBOX_PYTHON, unprivilegedUser: chooseUser(settings, process.getuid?.()) };
  const interpreters = { javascript: settings.SANDBOX_NODE ?? process.execPath };
  const bubblewrap = { ...python, interpreters, bwrap: settings.SANDBOX_BWRAP };
  const warm = { plain: settings.SANDBOX_WARM, numpy: settings.SANDBOX_WARM_NUMPY };
  const keeping: LocalDriverOptions = { mode: settings.SANDBOX_MODE, warm, controlGroups: settings.SANDBOX_CGROUPS };
  switch (settings.SANDBOX_DRIVER) {
    case 'bubblewrap':
      return new LocalDriver(bubblewrapKind(bubblewrap), keeping);
    case 'gvisor':
      return new LocalDriver(gvisorKind({ ...bubblewrap, runsc: settings.SANDBOX_RUNSC }), { warm });
    case 'dev-unsafe':
      return new LocalDriver(devUnsafeKind(python));
    case 'remote':
      // The settings are refused where the driver is remote and there is no socket.
      return new RemoteDriver(settings.SANDBOX_SOCKET ?? '');
    case 'none':
      return new RefusingDriver();
  }
}

/** Undefined where nobody was named and nobody can be guessed: a driver then refuses to run as root. */
export function chooseUser(
  { SANDBOX_UID: uid, SANDBOX_GID: gid, NODE_ENV }: Pick<Settings, 'SANDBOX_UID' | 'SANDBOX_GID' | 'NODE_ENV'>,
  own: number | undefined,
): UnprivilegedUser | undefined {
  if (uid !== undefined) return { uid, gid: gid ?? uid };
  if (own !== 0 || NODE_ENV === 'production') return undefined;
  return { uid: NOBODY, gid: gid ?? NOBODY };
}
