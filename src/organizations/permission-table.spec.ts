import { type Permission, PERMISSIONS, ROLE_PERMISSIONS, ROLES } from '../platform/http/permissions.js';

const TABLE = `
                      owner  admin  editor  approver  viewer
organization:read       x      x      x        x        x
organization:manage     x      x      -        -        -
workflow:read           x      x      x        x        x
workflow:write          x      x      x        -        -
execution:read          x      x      x        x        x
execution:start         x      x      x        -        -
execution:control       x      x      x        -        -
checkpoint:read         x      x      x        x        x
checkpoint:decide       x      x      -        x        -
code:execute            x      x      x        -        -
audit:read              x      x      -        -        -
`;

const [head = '', ...lines] = TABLE.trim().split('\n');
const roles = head.trim().split(/\s+/);
const rows = lines.map((line) => {
  const [permission = '', ...marks] = line.trim().split(/\s+/);
  return { permission, held: roles.filter((_, column) => marks[column] === 'x') };
});

describe('permissions of roles', () => {
  it('the table shows every role and every permission', () => {
    expect(roles).toEqual([...ROLES]);
    expect(rows.map((row) => row.permission)).toEqual([...PERMISSIONS]);
  });

  it.each(rows)('$permission is held by $held', ({ permission, held }) => {
    const holders = ROLES.filter((role) => ROLE_PERMISSIONS[role].includes(permission as Permission));
    expect(holders).toEqual(held);
  });
});
