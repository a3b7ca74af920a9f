import { randomBytes } from 'node:crypto';
import { AccountsService } from '../src/auth/accounts.service.js';
import { Transactions } from '../src/platform/database/transactions.js';
import type { Role } from '../src/platform/http/permissions.js';
import type { TestApp } from './start-test-app.js';

export interface TestMember {
  id: string;
  name: string;
  email: string;
  auth: { Authorization: string };
}

/** One more person in an organization that is there already, signed in. */
export async function addMember(test: TestApp, organizationId: string, role: Role, name = 'Bea'): Promise<TestMember> {
  const accounts = test.app.get(AccountsService);
  const person = { name, email: `${name.toLowerCase()}-${randomBytes(4).toString('hex')}@test.example` };
  const password = randomBytes(12).toString('base64url');
  const password_hash = await accounts.hashNewPassword(password, person);
  const member = { ...person, password_hash, organization_id: organizationId, role };
  const { id } = await test.app.get(Transactions).run((tx) => accounts.createMember(tx, member));
  const { body } = await test.http().post('/api/auth/login').send({ email: person.email, password }).expect(200);
  return { ...person, id, auth: { Authorization: `Bearer ${String(body.access_token)}` } };
}
