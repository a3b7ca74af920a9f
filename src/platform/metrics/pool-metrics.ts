import { Injectable } from '@nestjs/common';
import type { Pool } from 'pg';
import { Gauge, Registry } from 'prom-client';
import { DataSource } from 'typeorm';

/** How full the connection pool of this process is, read when somebody asks. */
@Injectable()
export class PoolMetrics {
  constructor(registry: Registry, source: DataSource) {
    const pool = (source.driver as unknown as { master: Pool }).master;
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({ name: `holdpoint_database_pool_${name}`, help, registers: [registry], collect: setTo(read) });
    gauge('size', 'Connections that the pool may have', () => pool.options.max);
    gauge('connections', 'Connections that the pool has', () => pool.totalCount);
    gauge('idle_connections', 'Connections that nobody uses', () => pool.idleCount);
    gauge('waiting_requests', 'Work that waits for a connection', () => pool.waitingCount);
  }
}

function setTo(read: () => number): (this: Gauge) => void {
  return function collect() {
    this.set(read());
  };
}
