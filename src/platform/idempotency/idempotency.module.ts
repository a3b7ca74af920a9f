import { Module } from '@nestjs/common';
import { IdempotentAnswers } from './idempotent-answers.js';

@Module({ providers: [IdempotentAnswers], exports: [IdempotentAnswers] })
export class IdempotencyModule {}
