import type { Client } from 'pg';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import { migrations } from '../migrations/index.js';
import { AuditHead, AuditRecord } from './audit/audit-record.entity.js';
import { ApiKey } from './auth/api-key.entity.js';
import { Session } from './auth/session.entity.js';
import { User } from './auth/user.entity.js';
import { Checkpoint } from './checkpoints/checkpoint.entity.js';
import { CheckpointEvent } from './checkpoints/checkpoint-event.entity.js';
import { Decision } from './checkpoints/decision.entity.js';
import { DecisionLink } from './checkpoints/decision-link.entity.js';
import { Delegation } from './checkpoints/delegation.entity.js';
import { EarlyDecision } from './checkpoints/early-decision.entity.js';
import { CodePolicy } from './code-security/code-policy.entity.js';
import { CodeRun } from './code-security/code-run.entity.js';
import { ExecutionEvent } from './executions/execution-event.entity.js';
import { Signal } from './executions/signal.entity.js';
import { StepAttempt } from './executions/step-attempt.entity.js';
import { Execution } from './executions/execution.entity.js';
import { Step } from './executions/step.entity.js';
import { WebhookDelivery } from './notifications/webhook-delivery.entity.js';
import { WebhookEndpoint } from './notifications/webhook-endpoint.entity.js';
import { GroupMember } from './organizations/group-member.entity.js';
import { Group } from './organizations/group.entity.js';
import { Membership } from './organizations/membership.entity.js';
import { Organization } from './organizations/organization.entity.js';
import { IdempotentAnswer } from './platform/idempotency/idempotent-answer.entity.js';
import { Secret } from './secrets/secret.entity.js';
import { WorkflowVersion } from './workflows/workflow-version.entity.js';
import { Workflow } from './workflows/workflow.entity.js';

const entities = [
  Organization,
  User,
  Membership,
  Group,
  GroupMember,
  Session,
  ApiKey,
  AuditRecord,
  AuditHead,
  Workflow,
  WorkflowVersion,
  Execution,
  Step,
  ExecutionEvent,
  StepAttempt,
  Signal,
  Checkpoint,
  Decision,
  WebhookEndpoint,
  WebhookDelivery,
  CheckpointEvent,
  EarlyDecision,
  Delegation,
  DecisionLink,
  IdempotentAnswer,
  CodeRun,
  CodePolicy,
  Secret,
];

/**
 * How every part of the product connects. A statement may take 30 s, a connection 10 s, a lock in a migration 10 s. A
 * transaction never waits for anything but the database: one that is idle for 5 s belongs to a process that was stopped,
 * and others wait for its locks (the end of an audit chain, for one).
 */
export function dataSourceOptions(url: string, poolSize = 4): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities,
    migrations,
    migrationsTableName: 'schema_migrations',
    migrationsTransactionMode: 'each',
    synchronize: false,
    uuidExtension: 'pgcrypto', // makes TypeORM expect gen_random_uuid(), which PostgreSQL has since 13
    installExtensions: false,
    applicationName: 'holdpoint',
    poolSize,
    connectTimeoutMS: 10_000,
    extra: {
      statement_timeout: 30_000,
      idle_in_transaction_session_timeout: 5_000,
      keepAlive: true,
      // Between the pool's listener and TypeORM's there is a moment without one. A connection that ends just then, with the
      // very bytes that say it is ready, would end the process; like this its next statement fails.
      onConnect: (client: Client) => client.on('error', () => undefined),
    },
  };
}
