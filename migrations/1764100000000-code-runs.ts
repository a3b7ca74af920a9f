import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which code people ran through the API, and what organizations allow. */
export class CodeRuns1764100000000 implements MigrationInterface {
  name = 'CodeRuns1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "code_policies" (
      "organization_id" uuid NOT NULL,
      "allowed_addresses" text array NOT NULL,
      "max_timeout_seconds" integer NOT NULL,
      "max_memory_mb" integer NOT NULL,
      "version" integer NOT NULL,
      CONSTRAINT "PK_240a384e6e2460eb8deb9790e9b" PRIMARY KEY ("organization_id")
    )`);
    await runner.query(`CREATE TABLE "code_runs" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "api_key_id" uuid,
      "language" text NOT NULL,
      "code_sha256" text NOT NULL,
      "timeout_seconds" double precision NOT NULL,
      "max_memory_mb" integer NOT NULL,
      "outcome" text,
      "error_type" text,
      "error_line" integer,
      "queued_seconds" double precision NOT NULL,
      "execution_time" double precision,
      "memory_used_mb" double precision,
      "driver" text NOT NULL,
      "started_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      "ended_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_4fb319dba2f14e20aac4f25459" CHECK (("outcome" IS NULL) = ("ended_at" IS NULL)),
      CONSTRAINT "CHK_9df124c09ea9e3241f89f9e407"
        CHECK ("outcome" IN ('succeeded', 'does_not_compile', 'failed', 'timed_out', 'out_of_memory', 'cancelled')),
      CONSTRAINT "CHK_4295a55c527525ed79bd71b6ba" CHECK ("language" IN ('python', 'javascript')),
      CONSTRAINT "PK_bca3509d1c31082dfb79b88363b" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE INDEX "code_runs_started" ON "code_runs" ("started_at")`);
    await runner.query(`CREATE INDEX "code_runs_of_person" ON "code_runs" ("organization_id", "user_id", "id")`);
    await runner.query(`ALTER TABLE "code_policies" ADD CONSTRAINT "FK_240a384e6e2460eb8deb9790e9b"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "code_runs" ADD CONSTRAINT "FK_174cba6f53e4e2391a09ad7852f"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "code_runs" ADD CONSTRAINT "FK_7d8b87357119fe38371ec1e4936"
      FOREIGN KEY ("user_id") REFERENCES "users"("id")
      ON DELETE RESTRICT ON UPDATE NO ACTION`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "code_runs", "code_policies"`);
  }
}
