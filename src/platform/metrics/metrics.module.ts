import { Global, Module } from '@nestjs/common';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { HttpMetrics } from './http-metrics.js';
import { MetricsController } from './metrics.controller.js';
import { PoolMetrics } from './pool-metrics.js';

/** One registry a process: modules inject `Registry` and register what they count. */
@Global()
@Module({
  controllers: [MetricsController],
  providers: [{ provide: Registry, useFactory: processRegistry }, HttpMetrics, PoolMetrics],
  exports: [Registry, HttpMetrics],
})
export class MetricsModule {}

/** Not the library's global one, which two applications in one process would share. */
function processRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
