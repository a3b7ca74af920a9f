import type { Server } from 'node:http';
import { type BeforeApplicationShutdown, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/**
 * server.close() hangs up idle connections once, when it is called; one that turns idle later (a drained keep-alive
 * request) would hold the process for keepAliveTimeout, 5 s by default.
 */
@Injectable()
export class ConnectionDrainer implements BeforeApplicationShutdown {
  constructor(private readonly host: HttpAdapterHost) {}

  beforeApplicationShutdown(): void {
    const server = this.host.httpAdapter?.getHttpServer() as Server | undefined;
    if (server) setInterval(() => server.closeIdleConnections(), 50).unref();
  }
}
