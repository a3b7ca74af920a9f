import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Everything that one or more turns have to say, in one call and one round trip. The argument is an array of
 * `TurnCommit` (src/executions/turn.repository.ts); the answer has a row for each that was written.
 *
 * 1. Only an execution whose epoch is still the writer's, and of whose changes it knows, is written; all else hangs on it.
 * 2. A nudge the writer has not seen (`nudges` differs) makes a released row due at once, unless it is paused.
 * 3. Events take the numbers up to the row's new `last_event`, in the order given.
 * 4. A step is inserted, or makes a legal move from what is stored.
 * 5. An execution that ends, or begins to be undone, is no longer paused: nobody could have it go on.
 * 6. Who writes from outside (a decision, say) holds the lock on the row instead of a claim. It leaves status and claim as
 *    they are, and adds to `changes`, so that the holder's picture is known to be old. Who queues behind others (`queued`
 *    without a moment to wake) goes on queueing. Where nobody holds the execution it may claim it for `worker` (`takes`).
 *
 * A function, not a statement with WITH: each of its statements finds its rows by primary key under any statistics, and is
 * planned once a connection. For one step that takes 0.16 ms instead of 0.32, and the other could not be kept from a bad plan.
 */
const COMMIT_TURNS = `CREATE FUNCTION commit_turns(commits json) RETURNS TABLE (execution_id uuid, epoch int, nudges int)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  g record;
  held record;
BEGIN
  FOR g IN
    SELECT * FROM json_to_recordset(commits) AS c(
      execution_id uuid, epoch int, nudges int, changes int, outside boolean, status text, ending text,
      released boolean, ended boolean, compensable boolean, wake_in double precision, wake_at timestamptz,
      output json, error json, snapshot json, steps json, events json, attempts json, worker int,
      lease double precision, takes boolean)
  LOOP
    UPDATE executions e SET
      status = CASE
        WHEN g.outside THEN CASE WHEN g.takes THEN 'running' ELSE e.status END
        WHEN g.released AND NOT g.ended AND g.ending IS NULL AND e.paused_at IS NOT NULL THEN 'paused'
        ELSE g.status END,
      wake_at = CASE
        WHEN g.takes THEN now() + make_interval(secs => g.lease)
        WHEN g.outside THEN CASE WHEN e.worker IS NULL AND e.paused_at IS NULL
          AND (e.wake_at IS NOT NULL OR e.status <> 'queued') THEN now() ELSE e.wake_at END
        WHEN g.ended THEN NULL
        WHEN NOT g.released THEN e.wake_at
        WHEN g.ending IS NULL AND e.paused_at IS NOT NULL THEN NULL
        WHEN e.nudges <> g.nudges THEN now()
        ELSE least(g.wake_at, now() + make_interval(secs => g.wake_in)) END,
      worker = CASE WHEN g.released THEN NULL WHEN g.takes THEN g.worker ELSE e.worker END,
      epoch = CASE WHEN g.takes THEN e.epoch + 1 ELSE e.epoch END,
      nudges = CASE WHEN g.outside THEN e.nudges + 1 ELSE e.nudges END,
      changes = CASE WHEN g.outside THEN e.changes + 1 ELSE e.changes END,
      last_event = e.last_event + json_array_length(g.events),
      ending = coalesce(e.ending, g.ending),
      paused_at = CASE WHEN g.ended OR g.ending IS NOT NULL THEN NULL ELSE e.paused_at END,
      compensable = g.compensable,
      snapshot = CASE WHEN g.outside THEN NULL ELSE g.snapshot END,
      output = g.output,
      error = CASE WHEN g.outside THEN e.error ELSE g.error END,
      ended_at = CASE WHEN g.ended THEN now() END
    WHERE e.id = g.execution_id AND e.epoch = g.epoch AND e.changes = g.changes AND e.ended_at IS NULL
      AND (g.outside OR e.status IN ('running', 'compensating'))
    RETURNING e.id, e.epoch, e.nudges, e.last_event - json_array_length(g.events) AS first_event INTO held;
    CONTINUE WHEN NOT FOUND;

    INSERT INTO steps (execution_id, node_id, iteration, node_type, status, attempt, consumed, fired, input, output,
                       error, logs, signal, correlation_key, due_at, started_at, ended_at)
    SELECT held.id, s.node_id, s.iteration, s.node_type, s.status, s.attempt, s.consumed, s.fired, s.input, s.output,
           s.error, s.logs, s.signal, s.correlation_key, coalesce(s.due_at, now() + make_interval(secs => s.due_in)),
           coalesce(to_timestamp(s.began), clock_timestamp()),
           CASE WHEN s.status IN ('completed', 'failed', 'cancelled') THEN
             coalesce(to_timestamp(s.ended), clock_timestamp()) END
    FROM json_to_recordset(g.steps) AS s(
      node_id text, iteration int, node_type text, status text, attempt int, consumed json, fired json, input json,
      output json, error json, logs json, signal text, correlation_key text, due_at timestamptz,
      due_in double precision, began double precision, ended double precision)
    ON CONFLICT ON CONSTRAINT "PK_c5f0e6fdce6e0b6e12d561352d5" DO UPDATE SET
      status = excluded.status, attempt = excluded.attempt, fired = excluded.fired, output = excluded.output,
      error = excluded.error, logs = excluded.logs, signal = excluded.signal,
      correlation_key = excluded.correlation_key, due_at = excluded.due_at, ended_at = excluded.ended_at
    WHERE steps.status IN ('running', 'backing_off')
      OR (steps.status = 'waiting' AND excluded.status IN ('completed', 'failed', 'cancelled'));

    INSERT INTO execution_events (execution_id, seq, type, node_id, iteration, data)
    SELECT held.id, held.first_event + v.position, v.event->>'type', v.event->>'node_id',
           (v.event->>'iteration')::int, v.event->'data'
    FROM json_array_elements(g.events) WITH ORDINALITY AS v(event, position);

    IF g.attempts IS NOT NULL THEN
      INSERT INTO step_attempts (execution_id, node_id, iteration, attempt, error, logs, started_at)
      SELECT held.id, a.node_id, a.iteration, a.attempt, a.error, a.logs, clock_timestamp() - make_interval(secs => a.took)
      FROM json_to_recordset(g.attempts) AS a(
        node_id text, iteration int, attempt int, error json, logs json, took double precision);
    END IF;

    execution_id := held.id;
    epoch := held.epoch;
    nudges := held.nudges;
    RETURN NEXT;
  END LOOP;
END $$`;

/**
 * Adds a record to the chain of its organization, as `AuditService.record` does, for statements that do more than one thing
 * in one round trip. `given` is what `AuditService.prepare` makes: the record, its canonical JSON with placeholders for
 * what only the database knows, and the token they begin with. `facts` are members of `details` that only the caller's
 * statement knows, whole numbers or texts: their JSON is the same here and there.
 */
const APPEND_AUDIT_RECORD = `
CREATE FUNCTION append_audit_record(given json, facts jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  g record;
  canonical text;
  happened timestamptz;
  head audit_heads%ROWTYPE;
  fact record;
BEGIN
  SELECT * INTO g FROM json_to_record(given) AS r(
    organization_id uuid, token text, canonical text, action text, actor_type text, actor_id uuid, subject_type text,
    subject_id text, details jsonb, request_id text, address text, user_agent text);
  SELECT * INTO head FROM audit_heads h WHERE h.organization_id = g.organization_id FOR UPDATE;
  IF NOT FOUND THEN
    INSERT INTO audit_heads (organization_id, seq, hash) VALUES (g.organization_id, 0, repeat('0', 64)) ON CONFLICT DO NOTHING;
    SELECT * INTO head FROM audit_heads h WHERE h.organization_id = g.organization_id FOR UPDATE;
  END IF;
  happened := date_trunc('milliseconds', clock_timestamp());
  canonical := replace(g.canonical, g.token || 'seq', (head.seq + 1)::text);
  canonical := replace(canonical, g.token || 'previous_hash', head.hash);
  canonical := replace(canonical, g.token || 'occurred_at',
    to_char(happened AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
  FOR fact IN SELECT key, value FROM jsonb_each(facts) LOOP
    canonical := replace(canonical, '"' || g.token || fact.key || '"', fact.value::text);
  END LOOP;
  INSERT INTO audit_records (organization_id, seq, occurred_at, action, actor_type, actor_id, subject_type, subject_id,
                             details, request_id, address, user_agent, previous_hash, hash)
  VALUES (g.organization_id, head.seq + 1, happened, g.action, g.actor_type, g.actor_id, g.subject_type, g.subject_id,
          g.details || facts, g.request_id, g.address, g.user_agent, head.hash,
          encode(sha256(convert_to(canonical, 'UTF8')), 'hex'));
  UPDATE audit_heads h SET seq = head.seq + 1, hash = encode(sha256(convert_to(canonical, 'UTF8')), 'hex')
  WHERE h.organization_id = g.organization_id;
END $$`;

/**
 * Starts executions in one round trip: row, first event, audit record. Those whose workflow is not there, not active or
 * without that version are left out of the answer. Where a worker is named, the execution is claimed by it already.
 */
const START_EXECUTIONS = `
CREATE FUNCTION start_executions(given json) RETURNS SETOF executions LANGUAGE plpgsql AS $$
DECLARE
  g record;
  made executions%ROWTYPE;
BEGIN
  FOR g IN
    SELECT * FROM json_to_recordset(given) AS g(
      id uuid, organization_id uuid, workflow_id uuid, version int, input json, started_by uuid, priority smallint,
      idempotency_key text, request_hash text, worker int, lease double precision, audit json)
  LOOP
    INSERT INTO executions AS e (id, organization_id, workflow_id, version, status, input, wake_at, epoch, worker,
                                 last_event, priority, started_by, started_at, idempotency_key, request_hash)
    SELECT g.id, g.organization_id, g.workflow_id, v.number, CASE WHEN g.worker IS NULL THEN 'queued' ELSE 'running' END,
           g.input, CASE WHEN g.worker IS NULL THEN now() ELSE now() + make_interval(secs => g.lease) END,
           CASE WHEN g.worker IS NULL THEN 0 ELSE 1 END, g.worker, 1, g.priority, g.started_by,
           CASE WHEN g.worker IS NOT NULL THEN now() END, g.idempotency_key, g.request_hash
    FROM workflows w
    JOIN workflow_versions v ON v.workflow_id = w.id AND v.number = coalesce(g.version, w.current_version)
    WHERE w.id = g.workflow_id AND w.organization_id = g.organization_id AND w.active
    RETURNING e.* INTO made;
    CONTINUE WHEN NOT FOUND;
    INSERT INTO execution_events (execution_id, seq, type, data)
    VALUES (made.id, 1, 'execution.started', json_build_object('started_by', made.started_by));
    PERFORM append_audit_record(g.audit, jsonb_build_object('version', made.version));
    RETURN NEXT made;
  END LOOP;
END $$`;

/** Signals, children, attempts, pauses, priorities, lanes and compensation of executions. */
export class Engine1763800000000 implements MigrationInterface {
  name = 'Engine1763800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "executions_due"`);
    await runner.query(`ALTER TABLE "executions" DROP CONSTRAINT "CHK_f55ea2339f0e58e9a8f460a670"`);
    await runner.query(`ALTER TABLE "executions"
      ADD "changes" integer NOT NULL DEFAULT '0',
      ADD "ending" text,
      ADD "snapshot" json,
      ADD "compensable" boolean NOT NULL DEFAULT false,
      ADD "paused_at" TIMESTAMP WITH TIME ZONE,
      ADD "priority" smallint NOT NULL DEFAULT '0',
      ADD "concurrency_key" text,
      ADD "idempotency_key" text,
      ADD "request_hash" text,
      ADD "parent_id" uuid,
      ADD "parent_node" text,
      ADD "parent_iteration" integer,
      ADD "item_index" integer,
      ADD "scope" text NOT NULL DEFAULT '',
      ADD "depth" smallint NOT NULL DEFAULT '0',
      ADD "forked_from" uuid,
      ADD "forked_node" text,
      ADD "forked_iteration" integer`);
    await runner.query(`ALTER TABLE "steps" ADD "signal" text, ADD "correlation_key" text`);
    await runner.query(`CREATE TABLE "signals" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "execution_id" uuid,
      "name" text NOT NULL,
      "correlation_key" text,
      "payload" json,
      "sent_by" uuid,
      "received_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      "taken_at" TIMESTAMP WITH TIME ZONE,
      "taken_by" uuid,
      CONSTRAINT "PK_04eeac09c09b65bc55c628c101d" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE INDEX "signals_taken" ON "signals" ("taken_by") WHERE "taken_by" IS NOT NULL`);
    await runner.query(
      `CREATE INDEX "signals_by_key" ON "signals" ("organization_id", "name", "correlation_key", "id") WHERE "taken_at" IS NULL AND "execution_id" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "signals_of_execution" ON "signals" ("execution_id", "name", "id") WHERE "taken_at" IS NULL AND "execution_id" IS NOT NULL`,
    );
    await runner.query(`CREATE TABLE "step_attempts" (
      "execution_id" uuid NOT NULL,
      "node_id" text NOT NULL,
      "iteration" integer NOT NULL,
      "attempt" integer NOT NULL,
      "error" json NOT NULL,
      "logs" json,
      "started_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "ended_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT "PK_3d49532752d75738b67238ddd7e" PRIMARY KEY ("execution_id", "node_id", "iteration", "attempt")
    )`);
    await runner.query(`ALTER TABLE "workflows" ADD "max_running" integer`);
    await runner.query(`CREATE INDEX "workflows_limited" ON "workflows" ("id") WHERE "max_running" IS NOT NULL`);
    await runner.query(
      `CREATE INDEX "executions_finished" ON "executions" ("ended_at") WHERE "ended_at" IS NOT NULL AND "parent_node" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_failed" ON "executions" ("organization_id", "id") WHERE "status" = 'failed'`,
    );
    await runner.query(
      `CREATE UNIQUE INDEX "executions_idempotency_key" ON "executions" ("organization_id", "started_by", "idempotency_key") WHERE "idempotency_key" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_lanes" ON "executions" ("organization_id", "concurrency_key", "id") WHERE "concurrency_key" IS NOT NULL AND "ended_at" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_open_children" ON "executions" ("parent_id", "parent_node", "parent_iteration") WHERE "parent_node" IS NOT NULL AND "ended_at" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_queued_children" ON "executions" ("parent_id", "parent_node", "parent_iteration", "item_index") WHERE "parent_node" IS NOT NULL AND "status" = 'queued' AND "wake_at" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_children" ON "executions" ("parent_id", "parent_node", "parent_iteration", "item_index") WHERE "parent_id" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "executions_due" ON "executions" ("priority", "wake_at") WHERE "wake_at" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "steps_awaiting_signal" ON "steps" ("signal", "correlation_key") WHERE "signal" IS NOT NULL AND "status" = 'waiting'`,
    );
    await runner.query(
      `ALTER TABLE "executions" ADD CONSTRAINT "CHK_13ad8ffe68f5511dea34f62669" CHECK ("ending" IN ('failed', 'cancelled'))`,
    );
    await runner.query(
      `ALTER TABLE "executions" ADD CONSTRAINT "CHK_fd561a36ac6f2fa774189c4f26" CHECK ("priority" BETWEEN -1 AND 1)`,
    );
    await runner.query(
      `ALTER TABLE "executions" ADD CONSTRAINT "CHK_ccc8c1efd72369a0cd00ea76cd" CHECK ("status" IN ('queued', 'running', 'awaiting_checkpoint', 'waiting', 'paused', 'compensating', 'completed', 'failed', 'cancelled'))`,
    );
    await runner.query(
      `ALTER TABLE "signals" ADD CONSTRAINT "FK_8a13b182a12515522337948f49f" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE RESTRICT ON UPDATE NO ACTION`,
    );
    await runner.query(COMMIT_TURNS);
    await runner.query(APPEND_AUDIT_RECORD);
    await runner.query(START_EXECUTIONS);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION commit_turns(json), start_executions(json), append_audit_record(json, jsonb)`);
    // What only the later schema can say ends as its nearest relative.
    await runner.query(
      `UPDATE "executions" SET "status" = 'failed', "wake_at" = NULL, "worker" = NULL, "ended_at" = now() WHERE "status" = 'compensating'`,
    );
    await runner.query(`DROP TABLE "signals", "step_attempts"`);
    await runner.query(`DROP INDEX "executions_failed"`);
    await runner.query(`ALTER TABLE "steps" DROP "signal", DROP "correlation_key"`);
    await runner.query(`ALTER TABLE "workflows" DROP "max_running"`);
    await runner.query(`ALTER TABLE "executions"
      DROP "changes",
      DROP "ending",
      DROP "snapshot",
      DROP "compensable",
      DROP "paused_at",
      DROP "priority",
      DROP "concurrency_key",
      DROP "idempotency_key",
      DROP "request_hash",
      DROP "parent_id",
      DROP "parent_node",
      DROP "parent_iteration",
      DROP "item_index",
      DROP "scope",
      DROP "depth",
      DROP "forked_from",
      DROP "forked_node",
      DROP "forked_iteration"`);
    await runner.query(`ALTER TABLE "executions" DROP CONSTRAINT "CHK_ccc8c1efd72369a0cd00ea76cd"`);
    await runner.query(
      `ALTER TABLE "executions" ADD CONSTRAINT "CHK_f55ea2339f0e58e9a8f460a670" CHECK ("status" IN ('queued', 'running', 'awaiting_checkpoint', 'waiting', 'paused', 'completed', 'failed', 'cancelled'))`,
    );
    await runner.query(`CREATE INDEX "executions_due" ON "executions" ("wake_at") WHERE "wake_at" IS NOT NULL`);
  }
}
