import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the checkpoints of before could do, as a policy. */
const POLICY_OF_BEFORE = `json_build_object(
  'assignees', null,
  'actions', json_build_array(
    json_build_object('action', 'approve', 'label', null, 'comment', 'optional', 'handle', 'approved', 'quorum', 1),
    json_build_object('action', 'reject', 'label', null, 'comment', 'required', 'handle', 'rejected', 'quorum', 1)),
  'editable', c.editable, 'not_requester', c.not_requester, 'not_same_as', json_build_array(), 'due', null,
  'on_expiry', 'fail', 'working_hours', null, 'reminders', json_build_array(), 'escalation', json_build_array(),
  'retain_reviewer', false, 'max_rounds', null, 'allow_links', 'no', 'allow_api_keys', false)`;

/**
 * All that an act changes of a checkpoint (`CheckpointChange` in src/checkpoints/checkpoint.repository.ts). Everything hangs on
 * the first update, which finds the checkpoint only as it was seen: false, and nothing is written, where it is another by now.
 * A parameter for each part: a `json` is parsed anew for each member that is asked for.
 */
const WRITE_CHECKPOINT = `
CREATE FUNCTION write_checkpoint(part json, has_content boolean, seen_revision int, seen_length int, events json, votes json,
                                 voided json, at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  g checkpoints%ROWTYPE;
BEGIN
  g := json_populate_record(null::checkpoints, part);
  UPDATE checkpoints c SET
    status = g.status, action = g.action, assigned_to = g.assigned_to, candidates = g.candidates,
    claimed_by = g.claimed_by, claimed_by_name = g.claimed_by_name, claimed_at = g.claimed_at,
    next_at = g.next_at, schedule = g.schedule, expired_at = g.expired_at, closed_at = g.closed_at,
    revision = g.revision, history_length = g.history_length, history_hash = g.history_hash,
    content = CASE WHEN has_content THEN g.content ELSE c.content END,
    original_content = CASE WHEN has_content THEN g.original_content ELSE c.original_content END
  WHERE c.id = g.id AND c.revision = seen_revision AND c.history_length = seen_length;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO checkpoint_events SELECT * FROM json_populate_recordset(null::checkpoint_events, events);
  IF voided IS NOT NULL THEN
    UPDATE decisions d SET void_reason = v.void_reason, voided_at = at
    FROM json_to_recordset(voided) AS v(id uuid, void_reason text)
    WHERE d.id = v.id AND d.void_reason IS NULL;
  END IF;
  IF votes IS NOT NULL THEN
    INSERT INTO decisions SELECT * FROM json_populate_recordset(null::decisions, votes);
  END IF;
  RETURN true;
END $$`;

/**
 * A decision that ends the step of an execution that nobody holds, in one round trip. It was judged on what was read without a
 * lock, so it is written only if, under the lock, all of that is still so: the execution (`epoch`, `changes` and `last_event`
 * count everything that is done to it and its steps) and the checkpoint. No row, and nothing is written, where it is not.
 * Where the turn names a worker, the execution is claimed by it already.
 */
const DECIDE_PARKED = `
CREATE FUNCTION decide_parked(execution uuid, seen_epoch int, seen_changes int, seen_event int, part json, has_content boolean,
                              seen_revision int, seen_length int, events json, votes json, voided json, at timestamptz,
                              turn json, audit json)
RETURNS SETOF executions LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM executions e
  WHERE e.id = execution AND e.epoch = seen_epoch AND e.changes = seen_changes AND e.last_event = seen_event
    AND e.worker IS NULL AND e.ended_at IS NULL AND e.paused_at IS NULL AND e.status <> 'queued'
  FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  IF NOT write_checkpoint(part, has_content, seen_revision, seen_length, events, votes, voided, at) THEN RETURN; END IF;
  PERFORM commit_turns(turn);
  IF NOT FOUND THEN RAISE EXCEPTION 'execution % changed while its row was locked', execution; END IF;
  PERFORM append_audit_record(audit, '{}');
  RETURN QUERY SELECT * FROM executions e WHERE e.id = execution;
END $$`;

/** Policies, several decisions a checkpoint, its history, delegations, links, and decisions that come early. */
export class Checkpoints1764000000000 implements MigrationInterface {
  name = 'Checkpoints1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "checkpoints"
      ADD "workflow_id" uuid,
      ADD "version" integer,
      ADD "round" integer NOT NULL DEFAULT '1',
      ADD "action" text,
      ADD "original_content" json,
      ADD "policy" json,
      ADD "assigned_to" json,
      ADD "candidates" text array,
      ADD "claimed_by" uuid,
      ADD "claimed_by_name" text,
      ADD "claimed_at" TIMESTAMP WITH TIME ZONE,
      ADD "due_at" TIMESTAMP WITH TIME ZONE,
      ADD "next_at" TIMESTAMP WITH TIME ZONE,
      ADD "schedule" json,
      ADD "expired_at" TIMESTAMP WITH TIME ZONE,
      ADD "history_length" integer NOT NULL DEFAULT '0',
      ADD "history_hash" text,
      ALTER "created_at" SET DEFAULT clock_timestamp()`);
    await runner.query(`UPDATE "checkpoints" c SET
      workflow_id = e.workflow_id, version = e.version, policy = ${POLICY_OF_BEFORE}, schedule = '[]',
      candidates = ARRAY['anyone:' || c.organization_id], history_hash = repeat('0', 64),
      action = (SELECT CASE d.action WHEN 'edit' THEN 'approve' ELSE d.action END FROM decisions d
                WHERE d.checkpoint_id = c.id)
      FROM executions e WHERE e.id = c.execution_id`);
    await runner.query(`UPDATE "checkpoints" c SET original_content = c.content, content = d.edited_content
      FROM decisions d WHERE d.checkpoint_id = c.id AND d.action = 'edit'`);
    await runner.query(`ALTER TABLE "checkpoints"
      ALTER "workflow_id" SET NOT NULL,
      ALTER "version" SET NOT NULL,
      ALTER "policy" SET NOT NULL,
      ALTER "candidates" SET NOT NULL,
      ALTER "schedule" SET NOT NULL,
      ALTER "history_hash" SET NOT NULL,
      DROP "editable",
      DROP "not_requester"`);
    await runner.query(`ALTER TABLE "checkpoints" DROP CONSTRAINT "CHK_4083fbd19bcfd2cf0c413ea8f7"`);
    await runner.query(
      `ALTER TABLE "checkpoints" ADD CONSTRAINT "CHK_371141742da245b16d20dc3a4a" CHECK ("status" IN ('open', 'approved', 'rejected', 'changes_requested', 'decided', 'expired', 'withdrawn'))`,
    );
    await runner.query(
      `ALTER TABLE "checkpoints" ADD CONSTRAINT "FK_1966c8ee249e9d686dfadf57c27" FOREIGN KEY ("claimed_by") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION`,
    );
    await runner.query(
      `CREATE INDEX "checkpoints_candidates" ON "checkpoints" USING gin ("candidates") WHERE "status" = 'open'`,
    );
    await runner.query(
      `CREATE INDEX "checkpoints_closed" ON "checkpoints" ("organization_id", "closed_at") WHERE "closed_at" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "checkpoints_timed" ON "checkpoints" ("next_at") WHERE "status" = 'open' AND "next_at" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "checkpoints_by_due" ON "checkpoints" ("organization_id", "due_at", "id") WHERE "status" = 'open' AND "due_at" IS NOT NULL`,
    );
    await runner.query(
      `CREATE INDEX "checkpoints_by_node" ON "checkpoints" ("organization_id", "workflow_id", "node_id", "id")`,
    );
    await this.remakeDecisions(runner);
    await this.makeTables(runner);
    await runner.query(WRITE_CHECKPOINT);
    await runner.query(DECIDE_PARKED);
  }

  private async remakeDecisions(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "decisions" DROP CONSTRAINT "CHK_810bee6c58f7d3abdeb32ee7e4"`);
    await runner.query(`ALTER TABLE "decisions" DROP CONSTRAINT "PK_728abb3072409d51c377ac76d75"`);
    await runner.query(`ALTER TABLE "decisions" RENAME "reason" TO "comment"`);
    await runner.query(`ALTER TABLE "decisions"
      ADD "id" uuid NOT NULL DEFAULT gen_random_uuid(),
      ADD "organization_id" uuid,
      ADD "verified" boolean NOT NULL DEFAULT true,
      ADD "person" text,
      ADD "on_behalf_of" uuid,
      ADD "on_behalf_of_name" text,
      ADD "via" text NOT NULL DEFAULT 'access_token',
      ADD "result_hash" text,
      ADD "void_reason" text,
      ADD "voided_at" TIMESTAMP WITH TIME ZONE,
      ALTER "decided_by" DROP NOT NULL`);
    // The hash of an edited content was not kept: it is empty for decisions of before, which says "not known".
    await runner.query(`UPDATE "decisions" d SET organization_id = c.organization_id, person = d.decided_by::text,
      result_hash = CASE WHEN d.action = 'edit' THEN '' ELSE d.content_hash END
      FROM checkpoints c WHERE c.id = d.checkpoint_id`);
    await runner.query(`ALTER TABLE "decisions"
      ALTER "id" DROP DEFAULT,
      ALTER "via" DROP DEFAULT,
      ALTER "organization_id" SET NOT NULL,
      ALTER "person" SET NOT NULL,
      ALTER "result_hash" SET NOT NULL,
      ADD CONSTRAINT "PK_48eee6fa229cd5e43648f6a2ec3" PRIMARY KEY ("id"),
      ADD CONSTRAINT "CHK_dd18c18185d07fe600bffdfa7b" CHECK ("void_reason" IN ('withdrawn', 'content_changed')),
      ADD CONSTRAINT "CHK_cd7c9b09e9b6737e7a77bee19d" CHECK ("via" IN ('access_token', 'api_key', 'decision_link', 'early', 'timer')),
      ADD CONSTRAINT "FK_0311ea0efcea5ed218ac9415cc2" FOREIGN KEY ("on_behalf_of") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(
      `CREATE INDEX "decisions_of_person" ON "decisions" ("organization_id", "decided_by", "id") WHERE "decided_by" IS NOT NULL`,
    );
    await runner.query(
      `CREATE UNIQUE INDEX "decisions_once_a_person" ON "decisions" ("checkpoint_id", "person") WHERE "void_reason" IS NULL`,
    );
    await runner.query(`CREATE INDEX "decisions_of_checkpoint" ON "decisions" ("checkpoint_id", "id")`);
  }

  private async makeTables(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "checkpoint_events" (
      "checkpoint_id" uuid NOT NULL,
      "seq" integer NOT NULL,
      "type" text NOT NULL,
      "occurred_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "actor" json NOT NULL,
      "data" json NOT NULL,
      "previous_hash" text NOT NULL,
      "hash" text NOT NULL,
      CONSTRAINT "CHK_93f8e1093b80bb95147c479cfb" CHECK ("type" IN ('opened', 'commented', 'claimed', 'released', 'reassigned', 'link_made', 'decided', 'decision_withdrawn', 'decisions_voided', 'refused', 'reminded', 'escalated', 'expired', 'closed', 'withdrawn')),
      CONSTRAINT "PK_303e95d8fb7babc837db20d0cc4" PRIMARY KEY ("checkpoint_id", "seq"),
      CONSTRAINT "FK_3911c7b1306afec2acf5b842bbf" FOREIGN KEY ("checkpoint_id") REFERENCES "checkpoints"("id") ON DELETE CASCADE ON UPDATE NO ACTION
    )`);
    await runner.query(`CREATE TABLE "early_decisions" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "execution_id" uuid NOT NULL,
      "node_id" text NOT NULL,
      "iteration" integer,
      "status" text NOT NULL,
      "given_by" uuid NOT NULL,
      "origin" json NOT NULL,
      "action" text NOT NULL,
      "comment" text,
      "content" json,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "checkpoint_id" uuid,
      "refusal" text,
      CONSTRAINT "CHK_6eb6019258adef5cc1e01ae179" CHECK ("status" IN ('kept', 'applied', 'refused', 'cancelled')),
      CONSTRAINT "PK_a67615250cef72885174ade3090" PRIMARY KEY ("id"),
      CONSTRAINT "FK_53d9ea507d69e90097a40f325d2" FOREIGN KEY ("execution_id") REFERENCES "executions"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_88fff0d6007bd6c812423687bd9" FOREIGN KEY ("given_by") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION
    )`);
    await runner.query(
      `CREATE INDEX "early_decisions_kept" ON "early_decisions" ("execution_id", "node_id") WHERE "status" = 'kept'`,
    );
    await runner.query(`CREATE TABLE "delegations" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "from_user" uuid NOT NULL,
      "to_user" uuid NOT NULL,
      "starts_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "ends_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "comment" text,
      "created_by" uuid NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "revoked_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_0f83e1fea77466b403ecb148b4" CHECK ("from_user" <> "to_user"),
      CONSTRAINT "CHK_7a6ecdb59cfa5340a5c4fb9650" CHECK ("ends_at" > "starts_at"),
      CONSTRAINT "PK_01f9fbbc9b3bf52236a4e951b19" PRIMARY KEY ("id"),
      CONSTRAINT "FK_52efae84c2a9e64c905f3d42b34" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_a9711b037b49c6951edcfe74ceb" FOREIGN KEY ("from_user") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_9b43f8930c7b5bdc38e16db4ccb" FOREIGN KEY ("to_user") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_2a077668bb16fffc36746a75384" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE NO ACTION
    )`);
    await runner.query(
      `CREATE INDEX "delegations_from" ON "delegations" ("organization_id", "from_user") WHERE "revoked_at" IS NULL`,
    );
    await runner.query(
      `CREATE INDEX "delegations_to" ON "delegations" ("organization_id", "to_user") WHERE "revoked_at" IS NULL`,
    );
    await runner.query(`CREATE TABLE "decision_links" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "checkpoint_id" uuid NOT NULL,
      "user_id" uuid,
      "created_by" uuid,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "used_at" TIMESTAMP WITH TIME ZONE,
      "revoked_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "PK_c735aba01a2c3e4c9cba0ae8195" PRIMARY KEY ("id"),
      CONSTRAINT "FK_41d6c0dfc3acfb3b3bec9f3523c" FOREIGN KEY ("checkpoint_id") REFERENCES "checkpoints"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_7af5ad2e3eb5bcf202068c8006d" FOREIGN KEY ("user_id") REFERENCES "users"("id") ON DELETE CASCADE ON UPDATE NO ACTION,
      CONSTRAINT "FK_90cb392c02d60c802134d1a0d53" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION
    )`);
    await runner.query(`CREATE INDEX "decision_links_of_checkpoint" ON "decision_links" ("checkpoint_id", "id")`);
    await runner.query(`CREATE TABLE "idempotent_answers" (
      "organization_id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "route" text NOT NULL,
      "key" text NOT NULL,
      "request_hash" text NOT NULL,
      "status" integer,
      "body" json,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_6879c67edfb01871e2482e6249f" PRIMARY KEY ("organization_id", "user_id", "route", "key")
    )`);
    await runner.query(`CREATE INDEX "idempotent_answers_by_age" ON "idempotent_answers" ("created_at")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION decide_parked, write_checkpoint`);
    await runner.query(
      `DROP TABLE "checkpoint_events", "early_decisions", "delegations", "decision_links", "idempotent_answers"`,
    );
    // One decision a checkpoint, by somebody known, and in words that the earlier schema has; what it cannot say is gone. There
    // a decision is the end of its checkpoint: one that is still open begins anew.
    await runner.query(`DELETE FROM "decisions" d WHERE void_reason IS NOT NULL OR decided_by IS NULL
      OR action NOT IN ('approve', 'edit', 'reject')
      OR EXISTS (SELECT 1 FROM checkpoints c WHERE c.id = d.checkpoint_id AND c.status = 'open')
      OR EXISTS (SELECT 1 FROM decisions later WHERE later.checkpoint_id = d.checkpoint_id AND later.id > d.id
                 AND later.void_reason IS NULL AND later.decided_by IS NOT NULL
                 AND later.action IN ('approve', 'edit', 'reject'))`);
    await runner.query(`DROP INDEX "decisions_of_person", "decisions_once_a_person", "decisions_of_checkpoint"`);
    await runner.query(`ALTER TABLE "decisions" DROP CONSTRAINT "PK_48eee6fa229cd5e43648f6a2ec3"`);
    await runner.query(`ALTER TABLE "decisions" RENAME "comment" TO "reason"`);
    await runner.query(`ALTER TABLE "decisions"
      DROP "id", DROP "organization_id", DROP "verified", DROP "person", DROP "on_behalf_of", DROP "on_behalf_of_name",
      DROP "via", DROP "result_hash", DROP "void_reason", DROP "voided_at",
      ALTER "decided_by" SET NOT NULL,
      ADD CONSTRAINT "PK_728abb3072409d51c377ac76d75" PRIMARY KEY ("checkpoint_id"),
      ADD CONSTRAINT "CHK_810bee6c58f7d3abdeb32ee7e4" CHECK ("action" IN ('approve', 'edit', 'reject'))`);
    await runner.query(
      `DROP INDEX "checkpoints_candidates", "checkpoints_closed", "checkpoints_timed", "checkpoints_by_due", "checkpoints_by_node"`,
    );
    await runner.query(`ALTER TABLE "checkpoints" DROP CONSTRAINT "CHK_371141742da245b16d20dc3a4a"`);
    await runner.query(
      `UPDATE "checkpoints" SET status = 'withdrawn' WHERE status IN ('changes_requested', 'decided', 'expired')`,
    );
    await runner.query(`ALTER TABLE "checkpoints"
      ADD "editable" boolean NOT NULL DEFAULT true,
      ADD "not_requester" boolean NOT NULL DEFAULT false`);
    await runner.query(`UPDATE "checkpoints" SET content = coalesce(original_content, content),
      editable = (policy->>'editable')::boolean, not_requester = (policy->>'not_requester')::boolean`);
    await runner.query(`ALTER TABLE "checkpoints"
      ALTER "editable" DROP DEFAULT, ALTER "not_requester" DROP DEFAULT, ALTER "created_at" SET DEFAULT now(),
      DROP "workflow_id", DROP "version", DROP "round", DROP "action", DROP "original_content", DROP "policy",
      DROP "assigned_to", DROP "candidates", DROP "claimed_by", DROP "claimed_by_name", DROP "claimed_at", DROP "due_at",
      DROP "next_at", DROP "schedule", DROP "expired_at", DROP "history_length", DROP "history_hash",
      ADD CONSTRAINT "CHK_4083fbd19bcfd2cf0c413ea8f7" CHECK ("status" IN ('open', 'approved', 'rejected', 'withdrawn'))`);
  }
}
