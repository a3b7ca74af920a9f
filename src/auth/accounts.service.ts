import { Injectable } from '@nestjs/common';
import { v7 as uuidv7 } from 'uuid';
import { OrganizationsService } from '../organizations/organizations.service.js';
import { type Transaction, Transactions } from '../platform/database/transactions.js';
import type { Role } from '../platform/http/permissions.js';
import { PasswordHashes } from './password-hashes.js';
import { checkNewPassword, type Person } from './password-rules.js';
import type { User } from './user.entity.js';
import { UsersRepository } from './users.repository.js';

interface NewMember extends Person {
  password_hash: string;
  organization_id: string;
  role: Role;
}

@Injectable()
export class AccountsService {
  constructor(
    private readonly transactions: Transactions,
    private readonly users: UsersRepository,
    private readonly organizations: OrganizationsService,
    private readonly hashes: PasswordHashes,
  ) {}

  /**
   * Checks and hashes a new password. Call it before the transaction: it takes tens of milliseconds and may wait.
   * @throws DomainError PASSWORD_REFUSED, BUSY
   */
  hashNewPassword(password: string, person: Person): Promise<string> {
    checkNewPassword(password, person);
    return this.hashes.hash(password);
  }

  /**
   * A new account with a role in an organization that is there already.
   * @throws DomainError EMAIL_TAKEN; the transaction cannot go on then.
   */
  async createMember(tx: Transaction, member: NewMember): Promise<{ id: string; email: string; name: string }> {
    const { email, name, password_hash, organization_id, role } = member;
    const user = { id: uuidv7(), email, name };
    await this.users.insert(tx, { ...user, password_hash });
    await this.organizations.addMember(tx, { organization_id, user_id: user.id, role });
    return user;
  }

  async exists(tx: Transaction, email: string): Promise<boolean> {
    return (await this.users.findByEmail(tx, email)) !== null;
  }

  /** The account of this e-mail, if any, and whether the password is its own; equally long for both. */
  async verifyPassword(email: string, password: string): Promise<{ user: User | null; correct: boolean }> {
    const user = await this.transactions.read((tx) => this.users.findByEmail(tx, email));
    return { user, correct: await this.hashes.verify(user?.password_hash, password) };
  }
}
