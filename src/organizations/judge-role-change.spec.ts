import { ROLES, type Role } from '../platform/http/permissions.js';
import { judgeRoleChange, type RoleChange } from './judge-role-change.js';

const judge = (change: Partial<RoleChange>) =>
  judgeRoleChange({ by: 'owner', themselves: false, from: 'viewer', to: 'editor', owners: 2, ...change })?.code ?? null;

const PLACES: (Role | null)[] = [...ROLES, null];
const isSenior = (role: Role | null) => role === 'owner' || role === 'admin';

describe('a change of role', () => {
  it('is an owner\u2019s to make, whatever it is, while another owner stays', () => {
    for (const from of PLACES) for (const to of PLACES) expect(judge({ from, to })).toBeNull();
  });

  it('is an admin\u2019s to make exactly where no owner and no admin is made or unmade', () => {
    for (const from of PLACES) {
      for (const to of PLACES) {
        expect(judge({ by: 'admin', from, to })).toBe(isSenior(from) || isSenior(to) ? 'OWNER_REQUIRED' : null);
      }
    }
  });

  it('never takes the last owner, whoever asks', () => {
    for (const by of PLACES) {
      for (const to of PLACES.filter((role) => role !== 'owner')) {
        for (const themselves of [true, false]) {
          expect(judge({ by, themselves, from: 'owner', to, owners: 1 })).toBe('LAST_OWNER');
        }
      }
    }
    expect(judge({ from: 'owner', to: 'owner', owners: 1 })).toBeNull();
  });

  it('may be to leave, for everybody', () => {
    for (const from of ROLES) expect(judge({ by: from, themselves: true, from, to: null })).toBeNull();
  });

  it('is none that people make to themselves but to leave', () => {
    expect(judge({ by: 'admin', themselves: true, from: 'admin', to: 'owner' })).toBe('OWNER_REQUIRED');
    expect(judge({ by: 'admin', themselves: true, from: 'admin', to: 'viewer' })).toBe('OWNER_REQUIRED');
  });
});
