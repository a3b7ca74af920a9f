import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The first schema. Tables follow the entities; below them is what entities cannot say. */
export class Init1763715600000 implements MigrationInterface {
  name = 'Init1763715600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "audit_records" (
      "organization_id" uuid NOT NULL,
      "seq" bigint NOT NULL,
      "occurred_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "action" text NOT NULL,
      "actor_type" text NOT NULL,
      "actor_id" uuid,
      "subject_type" text NOT NULL,
      "subject_id" text NOT NULL,
      "details" jsonb NOT NULL,
      "request_id" text,
      "address" text,
      "user_agent" text,
      "previous_hash" text NOT NULL,
      "hash" text NOT NULL,
      CONSTRAINT "CHK_782609652a52cae89c4761eb9b" CHECK ("actor_type" IN ('user', 'system')),
      CONSTRAINT "PK_07315d8fe2ec6c54ab9a1b2a733" PRIMARY KEY ("organization_id", "seq")
    )`);
    await runner.query(`CREATE TABLE "audit_heads" (
      "organization_id" uuid NOT NULL,
      "seq" bigint NOT NULL,
      "hash" text NOT NULL,
      CONSTRAINT "PK_92e4c06ccf4a2f11ea9f5cdfa51" PRIMARY KEY ("organization_id")
    )`);
    await runner.query(`CREATE TABLE "sessions" (
      "id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "counter" integer NOT NULL DEFAULT '1',
      "rotated_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "expires_at" TIMESTAMP WITH TIME ZONE NOT NULL,
      "ended_at" TIMESTAMP WITH TIME ZONE,
      "end_reason" text,
      "user_agent" text,
      "address" text,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_3238ef96f18b355b671619111bc" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "users" (
      "id" uuid NOT NULL,
      "email" text NOT NULL,
      "name" text NOT NULL,
      "password_hash" text NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_a3ffb1c0c8416b9fc6f907b7433" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "checkpoints" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "execution_id" uuid NOT NULL,
      "node_id" text NOT NULL,
      "iteration" integer NOT NULL,
      "status" text NOT NULL,
      "title" text NOT NULL,
      "instructions" text NOT NULL DEFAULT '',
      "content" json,
      "schema" json,
      "editable" boolean NOT NULL,
      "not_requester" boolean NOT NULL,
      "requested_by" uuid,
      "revision" integer NOT NULL DEFAULT '1',
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "closed_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_4083fbd19bcfd2cf0c413ea8f7" CHECK ("status" IN ('open', 'approved', 'rejected', 'withdrawn')),
      CONSTRAINT "PK_dfcc46a91d96ecba8a8dcd8b11c" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "decisions" (
      "checkpoint_id" uuid NOT NULL,
      "action" text NOT NULL,
      "decided_by" uuid NOT NULL,
      "decided_by_name" text NOT NULL,
      "decided_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      "reason" text,
      "content_hash" text NOT NULL,
      "edited_content" json,
      "patch" json,
      CONSTRAINT "CHK_810bee6c58f7d3abdeb32ee7e4" CHECK ("action" IN ('approve', 'edit', 'reject')),
      CONSTRAINT "PK_728abb3072409d51c377ac76d75" PRIMARY KEY ("checkpoint_id")
    )`);
    await runner.query(`CREATE TABLE "execution_events" (
      "execution_id" uuid NOT NULL,
      "seq" integer NOT NULL,
      "type" text NOT NULL,
      "node_id" text,
      "iteration" integer,
      "data" json,
      "occurred_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      CONSTRAINT "PK_10524361ece28256aead5278863" PRIMARY KEY ("execution_id", "seq")
    )`);
    await runner.query(`CREATE TABLE "executions" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "workflow_id" uuid NOT NULL,
      "version" integer NOT NULL,
      "status" text NOT NULL,
      "input" json,
      "output" json,
      "error" json,
      "wake_at" TIMESTAMP WITH TIME ZONE,
      "epoch" integer NOT NULL DEFAULT '0',
      "worker" integer,
      "nudges" integer NOT NULL DEFAULT '0',
      "last_event" integer NOT NULL DEFAULT '0',
      "started_by" uuid,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "started_at" TIMESTAMP WITH TIME ZONE,
      "ended_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_f55ea2339f0e58e9a8f460a670" CHECK ("status" IN ('queued', 'running', 'awaiting_checkpoint', 'waiting', 'paused', 'completed', 'failed', 'cancelled')),
      CONSTRAINT "PK_703e64e0ef651986191844b7b8b" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "steps" (
      "execution_id" uuid NOT NULL,
      "node_id" text NOT NULL,
      "iteration" integer NOT NULL,
      "node_type" text NOT NULL,
      "status" text NOT NULL,
      "attempt" integer NOT NULL DEFAULT '1',
      "consumed" json NOT NULL,
      "fired" json NOT NULL DEFAULT '[]',
      "input" json,
      "output" json,
      "error" json,
      "logs" json,
      "due_at" TIMESTAMP WITH TIME ZONE,
      "started_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      "ended_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_d393059600f987bc9bd17725cf" CHECK ("status" IN ('running', 'waiting', 'backing_off', 'completed', 'failed', 'cancelled')),
      CONSTRAINT "PK_c5f0e6fdce6e0b6e12d561352d5" PRIMARY KEY ("execution_id", "node_id", "iteration")
    )`);
    await runner.query(`CREATE TABLE "memberships" (
      "organization_id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "role" text NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "CHK_8c6836db99a2d86df36b03deec" CHECK ("role" IN ('owner', 'admin', 'editor', 'approver', 'viewer')),
      CONSTRAINT "PK_d43d9c8d18fcd49de0fa44bbd79" PRIMARY KEY ("organization_id", "user_id")
    )`);
    await runner.query(`CREATE TABLE "organizations" (
      "id" uuid NOT NULL,
      "name" text NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_6b031fcd0863e3f6b44230163f9" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "workflow_versions" (
      "workflow_id" uuid NOT NULL,
      "number" integer NOT NULL,
      "definition" json NOT NULL,
      "created_by" uuid NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_6cdc2653018303c5a4e809e5bbc" PRIMARY KEY ("workflow_id", "number")
    )`);
    await runner.query(`CREATE TABLE "workflows" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "name" text NOT NULL,
      "description" text NOT NULL DEFAULT '',
      "active" boolean NOT NULL DEFAULT true,
      "current_version" integer NOT NULL DEFAULT '1',
      "revision" integer NOT NULL DEFAULT '1',
      "created_by" uuid NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_5b5757cc1cd86268019fef52e0c" PRIMARY KEY ("id")
    )`);
    await runner.query(
      `CREATE INDEX "IDX_0b7541295c2815bc3840ec020a" ON "audit_records" ("organization_id", "subject_type", "subject_id", "seq")`,
    );
    await runner.query(`CREATE INDEX "IDX_085d540d9f418cfbdc7bd55bb1" ON "sessions" ("user_id")`);
    await runner.query(`CREATE INDEX "IDX_a9e3486bb3e8509466d4c9d6c9" ON "sessions" ("organization_id")`);
    await runner.query(`CREATE UNIQUE INDEX "users_email_key" ON "users" ("email")`);
    await runner.query(
      `CREATE INDEX "checkpoints_inbox" ON "checkpoints" ("organization_id", "id") WHERE "status" = 'open'`,
    );
    await runner.query(`CREATE INDEX "IDX_66db292fc24db28e797538068e" ON "checkpoints" ("organization_id", "id")`);
    await runner.query(
      `CREATE UNIQUE INDEX "checkpoints_step_key" ON "checkpoints" ("execution_id", "node_id", "iteration")`,
    );
    await runner.query(`CREATE INDEX "executions_held" ON "executions" ("worker") WHERE "worker" IS NOT NULL`);
    await runner.query(`CREATE INDEX "executions_due" ON "executions" ("wake_at") WHERE "wake_at" IS NOT NULL`);
    await runner.query(`CREATE INDEX "IDX_4abd0b13744163fb761f9bcee4" ON "executions" ("workflow_id", "id")`);
    await runner.query(`CREATE INDEX "IDX_709fcede07bce0b30c94bcbbc4" ON "executions" ("organization_id", "id")`);
    await runner.query(
      `CREATE INDEX "steps_open" ON "steps" ("execution_id") WHERE "status" IN ('running', 'waiting', 'backing_off')`,
    );
    await runner.query(`CREATE INDEX "IDX_7c1e2fdfed4f6838e0c05ae505" ON "memberships" ("user_id")`);
    await runner.query(`CREATE INDEX "IDX_c27aaa97864e0d227f580b02b7" ON "workflows" ("organization_id", "id")`);
    await runner.query(`ALTER TABLE "audit_records" ADD CONSTRAINT "FK_c708737a0289e5f3a47e6414d6a"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "audit_heads" ADD CONSTRAINT "FK_92e4c06ccf4a2f11ea9f5cdfa51"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "sessions" ADD CONSTRAINT "FK_085d540d9f418cfbdc7bd55bb19"
      FOREIGN KEY ("user_id") REFERENCES "users"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "sessions" ADD CONSTRAINT "FK_a9e3486bb3e8509466d4c9d6c93"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "checkpoints" ADD CONSTRAINT "FK_15411f2d4090d9c9e06eff3bfc6"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "checkpoints" ADD CONSTRAINT "FK_b2ac4eca94ec6afd6df08087adb"
      FOREIGN KEY ("execution_id") REFERENCES "executions"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "checkpoints" ADD CONSTRAINT "FK_7d6cb9fdabb6de094715afb64b1"
      FOREIGN KEY ("requested_by") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "decisions" ADD CONSTRAINT "FK_728abb3072409d51c377ac76d75"
      FOREIGN KEY ("checkpoint_id") REFERENCES "checkpoints"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "decisions" ADD CONSTRAINT "FK_ccb44c98839be4eac40bbd09fce"
      FOREIGN KEY ("decided_by") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "executions" ADD CONSTRAINT "FK_2d3cb19325b3051ac2616a7ebd7"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "executions" ADD CONSTRAINT "FK_1a5e5b02d36aefd51b84932c61e"
      FOREIGN KEY ("started_by") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "executions" ADD CONSTRAINT "FK_d1bd12394efa506609ec227dbe8"
      FOREIGN KEY ("workflow_id", "version") REFERENCES "workflow_versions"("workflow_id","number")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "memberships" ADD CONSTRAINT "FK_e5380c394ec7912046d07b54290"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "memberships" ADD CONSTRAINT "FK_7c1e2fdfed4f6838e0c05ae5051"
      FOREIGN KEY ("user_id") REFERENCES "users"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "workflow_versions" ADD CONSTRAINT "FK_535cc897570fe88cb9733411ecc"
      FOREIGN KEY ("workflow_id") REFERENCES "workflows"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "workflow_versions" ADD CONSTRAINT "FK_a48a7fd5e1ddae671776f1e9fe2"
      FOREIGN KEY ("created_by") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "workflows" ADD CONSTRAINT "FK_d0327b3752cf21c97fb7ae9f0b2"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "workflows" ADD CONSTRAINT "FK_5d7e754199da9d7bf87f810ff17"
      FOREIGN KEY ("created_by") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);

    // Numbers of worker processes: never used twice, because a session lock is held under each.
    await runner.query(`CREATE SEQUENCE "worker_numbers" AS integer`);

    // What is on record stays on record, whatever the application does.
    await runner.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
      END $$`);
    for (const table of ['audit_records', 'workflow_versions']) {
      await runner.query(`
        CREATE TRIGGER ${table}_stay BEFORE UPDATE OR DELETE ON "${table}"
        FOR EACH ROW EXECUTE FUNCTION refuse_change()`);
      await runner.query(`
        CREATE TRIGGER ${table}_stay_whole BEFORE TRUNCATE ON "${table}"
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    }

    // Hot rows: room on the page lets an update stay there and spare the indexes (heap-only tuples).
    await runner.query(`ALTER TABLE "executions" SET (fillfactor = 70)`);
    await runner.query(`ALTER TABLE "steps" SET (fillfactor = 80)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `DROP TABLE "audit_records", "audit_heads", "sessions", "users", "checkpoints", "decisions", "execution_events", "executions", "steps", "memberships", "organizations", "workflow_versions", "workflows" CASCADE`,
    );
    await runner.query(`DROP SEQUENCE "worker_numbers"`);
    await runner.query(`DROP FUNCTION refuse_change()`);
  }
}
