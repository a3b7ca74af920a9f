import { Global, Module } from '@nestjs/common';
import { Jobs } from './jobs.js';

/** The one queue for background work, for every module. */
@Global()
@Module({ providers: [Jobs], exports: [Jobs] })
export class JobsModule {}
