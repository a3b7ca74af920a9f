import type { ExecutionContext } from '@nestjs/common';
import { Module } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import { Settings } from '../../config/settings.js';
import { MemoryThrottlerStorage } from './memory-throttler.storage.js';
import { budgetOf } from './rate-limit.guard.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Limits per minute and per hour; code execution has stricter ones, sign-in a stricter one a minute. */
@Module({
  imports: [
    ThrottlerModule.forRootAsync({
      inject: [Settings],
      useFactory: (settings: Settings) => ({
        throttlers: [
          { name: 'minute', ttl: MINUTE, limit: (context: ExecutionContext) => perMinute(settings, context) },
          { name: 'hour', ttl: HOUR, limit: (context: ExecutionContext) => perHour(settings, context) },
        ],
        storage: new MemoryThrottlerStorage(),
      }),
    }),
  ],
  exports: [ThrottlerModule],
})
export class ThrottlingModule {}

function perMinute(settings: Settings, context: ExecutionContext): number {
  const budget = budgetOf(context);
  if (budget === 'auth') return settings.AUTH_RATE_LIMIT_PER_MINUTE;
  if (budget === 'code') return settings.CODE_RATE_LIMIT_PER_MINUTE;
  return settings.RATE_LIMIT_PER_MINUTE;
}

function perHour(settings: Settings, context: ExecutionContext): number {
  return budgetOf(context) === 'code' ? settings.CODE_RATE_LIMIT_PER_HOUR : settings.RATE_LIMIT_PER_HOUR;
}
