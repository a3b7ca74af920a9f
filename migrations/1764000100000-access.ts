import type { MigrationInterface, QueryRunner } from 'typeorm';

/** API keys and groups, both of a membership and gone with it. */
export class Access1764000100000 implements MigrationInterface {
  name = 'Access1764000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "api_keys" (
      "id" uuid NOT NULL,
      "organization_id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "name" text NOT NULL,
      "prefix" text NOT NULL,
      "hash" text NOT NULL,
      "scopes" text array NOT NULL,
      "expires_at" TIMESTAMP WITH TIME ZONE,
      "revoked_at" TIMESTAMP WITH TIME ZONE,
      "last_used_at" TIMESTAMP WITH TIME ZONE,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_5c8a79801b44bd27b79228e1dad" PRIMARY KEY ("id")
    )`);
    await runner.query(`CREATE TABLE "groups" (
      "organization_id" uuid NOT NULL,
      "id" uuid NOT NULL,
      "name" text NOT NULL,
      "key" text NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_eb0d906156885b1b3e716d09fad" PRIMARY KEY ("organization_id", "id")
    )`);
    await runner.query(`CREATE TABLE "group_members" (
      "organization_id" uuid NOT NULL,
      "group_id" uuid NOT NULL,
      "user_id" uuid NOT NULL,
      "created_at" TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
      CONSTRAINT "PK_22f87d30c454b42ad1f169f1082" PRIMARY KEY ("organization_id", "group_id", "user_id")
    )`);
    await runner.query(`CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys" ("hash")`);
    await runner.query(`CREATE INDEX "api_keys_of_member" ON "api_keys" ("organization_id", "user_id", "id")`);
    await runner.query(`CREATE UNIQUE INDEX "groups_name_key" ON "groups" ("organization_id", "key")`);
    await runner.query(`CREATE INDEX "groups_of_member" ON "group_members" ("organization_id", "user_id")`);
    await runner.query(`ALTER TABLE "api_keys" ADD CONSTRAINT "FK_023403d99906950b678dc865619"
      FOREIGN KEY ("organization_id", "user_id") REFERENCES "memberships"("organization_id","user_id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "group_members" ADD CONSTRAINT "FK_d6530d5cd633db5b1ac957bfa5d"
      FOREIGN KEY ("organization_id", "user_id") REFERENCES "memberships"("organization_id","user_id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "group_members" ADD CONSTRAINT "FK_8595337fe0432b53c3208329853"
      FOREIGN KEY ("organization_id", "group_id") REFERENCES "groups"("organization_id","id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
    await runner.query(`ALTER TABLE "groups" ADD CONSTRAINT "FK_f7f1b335edff519132aa2163fef"
      FOREIGN KEY ("organization_id") REFERENCES "organizations"("id")
      ON DELETE CASCADE ON UPDATE NO ACTION`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "api_keys", "group_members", "groups"`);
  }
}
