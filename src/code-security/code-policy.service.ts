import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.js';
import { Transactions } from '../platform/database/transactions.js';
import { staleVersion } from '../platform/http/if-match.js';
import type { Actor } from '../platform/http/principal.js';
import { type CodePolicyChange, CodePolicyRepository } from './code-policy.repository.js';
import { MEMORY_MB, TIMEOUT_SECONDS } from './code-security.service.js';

export type OrganizationCodePolicy = CodePolicyChange & { version: number };

/** Of organizations that never changed theirs. */
const WIDEST: OrganizationCodePolicy = {
  allowed_addresses: [],
  max_timeout_seconds: TIMEOUT_SECONDS.max,
  max_memory_mb: MEMORY_MB.max,
  version: 1,
};

/** What organizations allow their runs of code. */
@Injectable()
export class CodePolicyService {
  constructor(
    private readonly transactions: Transactions,
    private readonly repository: CodePolicyRepository,
    private readonly audit: AuditService,
  ) {}

  /** As it is now: a change acts on the next run. */
  async find(organizationId: string): Promise<OrganizationCodePolicy> {
    const policy = await this.transactions.read((tx) => this.repository.find(tx, organizationId));
    return policy ?? WIDEST;
  }

  /** @throws DomainError STALE_VERSION when somebody changed it since `version` was read. */
  change(organizationId: string, actor: Actor, version: number, policy: CodePolicyChange) {
    return this.transactions.run(async (tx): Promise<OrganizationCodePolicy> => {
      const next = await this.repository.change(tx, organizationId, version, policy);
      if (next === null) throw staleVersion();
      await this.audit.record(tx, actor, {
        organization_id: organizationId,
        action: 'code_policy.changed',
        subject: { type: 'organization', id: organizationId },
        details: { ...policy, version: next },
      });
      return { ...policy, version: next };
    });
  }
}
