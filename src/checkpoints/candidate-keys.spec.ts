import { candidateKeys, keysOf, personalKeys, sharedKeys } from './candidate-keys.js';

const ORG = '01900000-0000-7000-8000-000000000001';
const OTHER = '01900000-0000-7000-8000-000000000002';
const ID = '01900000-0000-7000-8000-00000000000a';
const ann = { user_id: ID, email: 'ann@test.example', role: 'approver', groups: ['légal'] };
const nobody = { users: [], roles: [], groups: [] };

/** Whether a checkpoint for those is for her. */
const isHers = (assignees: Parameters<typeof candidateKeys>[1], standing = ann, organization = ORG) =>
  candidateKeys(ORG, assignees).some((key) => keysOf(organization, standing).includes(key));

describe('a checkpoint', () => {
  it.each([
    ['everybody', null, true],
    ['nobody', nobody, false],
    ['her id', { ...nobody, users: [ID] }, true],
    ['her id in capitals', { ...nobody, users: [ID.toUpperCase()] }, true],
    ['another id', { ...nobody, users: [OTHER] }, false],
    ['her e-mail', { ...nobody, users: ['ann@test.example'] }, true],
    ['her e-mail in capitals', { ...nobody, users: ['ANN@Test.Example'] }, true],
    ['another e-mail', { ...nobody, users: ['bea@test.example'] }, false],
    ['her role', { ...nobody, roles: ['owner', 'approver'] }, true],
    ['another role', { ...nobody, roles: ['owner'] }, false],
    ['her group, whatever the case', { ...nobody, groups: ['LÉGAL'] }, true],
    ['her group, its letters composed otherwise', { ...nobody, groups: ['Le\u0301gal'] }, true],
    ['another group', { ...nobody, groups: ['finance'] }, false],
    ['a group by the name of her role', { ...nobody, groups: ['approver'] }, false],
    ['a role by the name of her group', { ...nobody, roles: ['légal'] }, false],
    ['a user by the name of her role', { ...nobody, users: ['approver'] }, false],
  ])('for %s', (_, assignees, expected) => {
    expect(isHers(assignees)).toBe(expected);
  });

  it.each([
    null,
    { ...nobody, users: [ann.email] },
    { ...nobody, roles: ['approver'] },
    { ...nobody, groups: ['légal'] },
  ])('of another organization is not hers, whoever it names (%o)', (assignees) => {
    expect(isHers(assignees, ann, OTHER)).toBe(false);
  });

  it('names each once', () => {
    expect(
      candidateKeys(ORG, { users: [ID, ID.toUpperCase()], roles: ['owner', 'owner'], groups: ['a', 'A'] }),
    ).toEqual([`user:${ID}`, `role:${ORG}:owner`, `group:${ORG}:a`]);
  });
});

it('tells what names her alone from what names several', () => {
  expect(personalKeys(ORG, ann)).toEqual([`user:${ID}`, `email:${ORG}:ann@test.example`]);
  expect(sharedKeys(ORG, ann)).toEqual([`role:${ORG}:approver`, `group:${ORG}:légal`, `anyone:${ORG}`]);
  expect(keysOf(ORG, ann)).toEqual([...personalKeys(ORG, ann), ...sharedKeys(ORG, ann)]);
});
