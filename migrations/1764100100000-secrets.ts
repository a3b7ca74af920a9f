import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What code of an organization may know and nobody may read. */
export class Secrets1764100100000 implements MigrationInterface {
  name = 'Secrets1764100100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "secrets" (
      "organization_id" uuid NOT NULL,
      "name" text NOT NULL,
      "sealed_value" text NOT NULL,
      "set_by" uuid NOT NULL,
      "set_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      "last_used_at" TIMESTAMP WITH TIME ZONE,
      CONSTRAINT "PK_4b4faae6eb63f166c1bc8e27a61" PRIMARY KEY ("organization_id", "name")
    )`);
    await runner.query(
      `ALTER TABLE "secrets" ADD CONSTRAINT "FK_b9a7b811adaf5086cd1beb31836" FOREIGN KEY ("organization_id") REFERENCES "organizations"("id") ON DELETE CASCADE ON UPDATE NO ACTION`,
    );
    await runner.query(
      `ALTER TABLE "secrets" ADD CONSTRAINT "FK_4fcd7a23cfc7682a36f1897b835" FOREIGN KEY ("set_by") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE NO ACTION`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "secrets"`);
  }
}
