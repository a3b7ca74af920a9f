import { v7 as uuidv7 } from 'uuid';
import { addMember, type TestMember } from '../../test/add-member.js';
import { startTestApp, type TestApp, type TestPerson } from '../../test/start-test-app.js';
import { Transactions } from '../platform/database/transactions.js';
import { OrganizationsService } from './organizations.service.js';

describe('who stands where in an organization', () => {
  let test: TestApp;
  let ann: TestPerson;
  let eve: TestPerson;
  let [bea, cleo]: TestMember[] = [];

  const organizations = () => test.app.get(OrganizationsService);
  const transactions = () => test.app.get(Transactions);
  const groups = '/api/organizations/current/groups';

  async function makeGroup(owner: TestPerson, name: string, members: string[]): Promise<void> {
    const { body } = await test.http().post(groups).set(owner.auth).send({ name }).expect(201);
    for (const id of members) await test.http().put(`${groups}/${body.id}/members/${id}`).set(owner.auth).expect(204);
  }

  beforeAll(async () => {
    test = await startTestApp();
    [ann, eve] = [await test.register('Ann'), await test.register('Eve')];
    bea = await addMember(test, ann.organization.id, 'approver', 'Bea');
    cleo = await addMember(test, ann.organization.id, 'viewer', 'Cleo');
    await makeGroup(ann, 'Legal', [bea.id, cleo.id]);
    await makeGroup(ann, 'Élan', [bea.id]);
    await makeGroup(ann, 'empty', []);
    await makeGroup(eve, 'Legal', [eve.user.id]);
  });
  afterAll(() => test.close());

  const standing = (organization: string, user: string) =>
    transactions().read((tx) => organizations().findStanding(tx, organization, user));

  const named = async (names: { users?: string[]; roles?: string[]; groups?: string[] }) => {
    const all = { users: [], roles: [], groups: [], ...names };
    const people = await transactions().read((tx) => organizations().listMembersNamed(tx, ann.organization.id, all));
    return people.map(({ name }) => name);
  };

  it('is told by the role and the groups in lower case, in order', async () => {
    expect(await standing(ann.organization.id, bea!.id)).toMatchObject({
      user_id: bea!.id,
      role: 'approver',
      groups: ['legal', 'élan'],
    });
    expect(await standing(ann.organization.id, ann.user.id)).toMatchObject({ role: 'owner', groups: [] });
  });

  it('is null for who is no member', async () => {
    expect(await standing(ann.organization.id, eve.user.id)).toBeNull();
    expect(await standing(eve.organization.id, bea!.id)).toBeNull();
    expect(await standing(uuidv7(), uuidv7())).toBeNull();
  });

  it('finds people by id, e-mail in any case, role and group in any case, each once', async () => {
    expect(await named({ users: [bea!.id, cleo!.email.toUpperCase()] })).toEqual(['Bea', 'Cleo']);
    expect(await named({ users: [bea!.id.toUpperCase(), bea!.email], groups: ['legal'] })).toEqual(['Bea', 'Cleo']);
    expect(await named({ roles: ['owner', 'viewer'] })).toEqual(['Ann', 'Cleo']);
    expect(await named({ groups: ['ÉLAN'], roles: ['owner'] })).toEqual(['Ann', 'Bea']);
    const people = await transactions().read((tx) =>
      organizations().listMembersNamed(tx, ann.organization.id, { users: [bea!.id], roles: [], groups: [] }),
    );
    expect(people).toEqual([{ user_id: bea!.id, email: bea!.email, name: 'Bea', role: 'approver' }]);
  });

  it('finds nobody by names of nobody or of another organization', async () => {
    expect(await named({})).toEqual([]);
    expect(await named({ users: [eve.user.id, eve.email, 'x', ''], roles: ['king'], groups: ['empty'] })).toEqual([]);
  });
});
