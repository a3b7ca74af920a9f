import { z } from 'zod';

export const livenessView = z.object({ status: z.literal('ok'), uptime_seconds: z.number() }).meta({ id: 'Liveness' });

export const readinessView = z
  .object({
    status: z.enum(['ok', 'degraded']),
    checks: z.record(z.string(), z.looseObject({ status: z.enum(['up', 'degraded', 'down']) })),
  })
  .meta({ id: 'Readiness' });

export const migrationsView = z
  .object({ applied: z.array(z.string()), pending: z.array(z.string()) })
  .meta({ id: 'Migrations' });
