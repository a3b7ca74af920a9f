import { Injectable } from '@nestjs/common';
import { isDuplicate, type Transaction } from '../platform/database/transactions.js';
import { DomainError } from '../platform/errors/domain-error.js';
import { User } from './user.entity.js';

@Injectable()
export class UsersRepository {
  /** @throws DomainError EMAIL_TAKEN; the transaction is then of no more use. */
  async insert(tx: Transaction, user: Omit<User, 'created_at'>): Promise<void> {
    try {
      await tx.insert(User, user);
    } catch (error) {
      if (!isDuplicate(error, 'users_email_key')) throw error;
      throw new DomainError('conflict', 'EMAIL_TAKEN', 'There is an account with this e-mail. Sign in with it.', {
        errors: [{ pointer: '/email', code: 'EMAIL_TAKEN', message: 'Use another e-mail or sign in.' }],
      });
    }
  }

  findByEmail(tx: Transaction, email: string): Promise<User | null> {
    return tx.findOneBy(User, { email });
  }
}
