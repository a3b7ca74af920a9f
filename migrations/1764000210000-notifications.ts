import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Where organizations want to be told of events, and what became of telling them. */
export class Notifications1764000210000 implements MigrationInterface {
  name = 'Notifications1764000210000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "webhook_endpoints" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "url" text NOT NULL,
      "description" text NOT NULL DEFAULT '',
      "events" text array NOT NULL,
      "secret" text NOT NULL,
      "previous_secret" text,
      "previous_secret_until" TIMESTAMP WITH TIME ZONE,
      "active" boolean NOT NULL DEFAULT true,
      "disabled_reason" text,
      "created_by" uuid NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "updated_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_054c4cfb95223732f5939d2d546" PRIMARY KEY ("id")
    )`);
    await runner.query(
      `CREATE INDEX "IDX_aa44af3ed57e7081569a62e0e9" ON "webhook_endpoints" ("organization_id", "id")`,
    );
    await runner.query(`CREATE TABLE "webhook_deliveries" (
      "id" uuid NOT NULL,
      "endpoint_id" uuid NOT NULL,
      "delivery_id" uuid NOT NULL,
      "attempt" smallint NOT NULL,
      "event_type" text NOT NULL,
      "status" text NOT NULL,
      "http_status" smallint,
      "error" text,
      "at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
      "duration_ms" integer NOT NULL,
      "next_attempt_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "CHK_ccdbd07e470bef41bbae892b46" CHECK ("status" IN ('succeeded', 'failed')),
      CONSTRAINT "PK_535dd409947fb6d8fc6dfc0112a" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE INDEX "IDX_5493712aa3028edc6504a2f501" ON "webhook_deliveries" ("at")`);
    await runner.query(`CREATE INDEX "IDX_bf4c2408a9971469612351d92a" ON "webhook_deliveries" ("endpoint_id", "id")`);
    await runner.query(
      `CREATE UNIQUE INDEX "webhook_deliveries_attempt" ON "webhook_deliveries" ("delivery_id", "attempt")`,
    );
    await runner.query(
      `ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "FK_893247a8681e31f117a34b4fb46" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "FK_32d6f53e9bba5f1ae847c082edc" FOREIGN KEY ("created_by") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "FK_0b882c26a9b91c26e6e86b4867c" FOREIGN KEY ("endpoint_id") REFERENCES "webhook_endpoints"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "webhook_deliveries", "webhook_endpoints"`);
  }
}
