import { type GivenSettings, secretNames } from './settings.js';

/**
 * What the process that runs foreign code must not have, and what both ends of its socket need. Nothing is said of variables in
 * `wrong`: they have a problem already.
 */
export function sideCarProblems(
  settings: GivenSettings,
  environment: Record<string, string | undefined>,
  wrong: ReadonlySet<string>,
): string[] {
  const isSideCar = settings.HOLDPOINT_ROLES.includes('sandbox');
  const isRemote = settings.SANDBOX_DRIVER === 'remote';
  const given = secretNames.flatMap((name) => [name, `${name}_FILE`]).filter((name) => environment[name]);
  const rules: [broken: boolean, what: string][] = [
    [
      isSideCar && settings.HOLDPOINT_ROLES.length > 1,
      'HOLDPOINT_ROLES: sandbox stands alone; what api and worker hold does not belong beside foreign code',
    ],
    ...given.map((name): [boolean, string] => [
      isSideCar,
      `${name}: the role sandbox must not hold secrets; remove it`,
    ]),
    [isSideCar && isRemote, 'SANDBOX_DRIVER: the role sandbox runs code itself; remote is for those that ask it'],
    [
      (isSideCar || isRemote) && !settings.SANDBOX_SOCKET && !wrong.has('SANDBOX_SOCKET'),
      'SANDBOX_SOCKET: name the socket that the side-car listens on, such as /run/holdpoint/sandbox.sock',
    ],
    [
      settings.SANDBOX_SOCKET !== undefined && !isSideCar && !isRemote,
      'SANDBOX_SOCKET: is not used, so code would run in this process; set SANDBOX_DRIVER=remote, or remove it',
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, what]) => what);
}
