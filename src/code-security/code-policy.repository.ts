import { Injectable } from '@nestjs/common';
import type { Transaction } from '../platform/database/transactions.js';
import { CodePolicy } from './code-policy.entity.js';

export type CodePolicyChange = Pick<CodePolicy, 'allowed_addresses' | 'max_timeout_seconds' | 'max_memory_mb'>;

@Injectable()
export class CodePolicyRepository {
  find(tx: Transaction, organizationId: string): Promise<CodePolicy | null> {
    return tx.findOneBy(CodePolicy, { organization_id: organizationId });
  }

  /** Changes the policy if it is still at `version`, which is 1 where there is no row. Answers the new version, or null. */
  async change(
    tx: Transaction,
    organizationId: string,
    version: number,
    { allowed_addresses, max_timeout_seconds, max_memory_mb }: CodePolicyChange,
  ): Promise<number | null> {
    const rows: { version: number }[] = await tx.query(
      `insert into code_policies as policy (organization_id, allowed_addresses, max_timeout_seconds, max_memory_mb, version)
       select $1, $3, $4, $5, 2 where $2 = 1 or exists (select 1 from code_policies where organization_id = $1)
       on conflict (organization_id) do update
       set allowed_addresses = $3, max_timeout_seconds = $4, max_memory_mb = $5, version = policy.version + 1
       where policy.version = $2
       returning version`,
      [organizationId, version, allowed_addresses, max_timeout_seconds, max_memory_mb],
    );
    return rows[0]?.version ?? null;
  }
}
