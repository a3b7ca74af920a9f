import { type DynamicModule, Global, Injectable, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions.js';
import type { OpenDatabase } from './open-database.js';
import { Transactions } from './transactions.js';

/** Stops the embedded server, if there is one, after the pool: a module's hooks run after those of what it imports. */
@Injectable()
class DatabaseServer implements OnApplicationShutdown {
  constructor(private readonly database: OpenDatabase) {}

  async onApplicationShutdown(): Promise<void> {
    await this.database.close();
  }
}

/** The connection pool and the way to open transactions, for every module. */
@Global()
@Module({})
export class DatabaseModule {
  static forRoot(database: OpenDatabase, options: PostgresDataSourceOptions): DynamicModule {
    const logger = new Logger('Database');
    // An idle connection that breaks must not end the process; the pool replaces it.
    const poolErrorHandler = (error: Error) => logger.warn(`a database connection broke: ${error.message}`);
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          useFactory: () => ({ ...options, poolErrorHandler, retryAttempts: 5, retryDelay: 1_000 }),
          dataSourceFactory: () => Promise.resolve(new DataSource({ ...options, poolErrorHandler })),
        }),
      ],
      providers: [Transactions, { provide: DatabaseServer, useFactory: () => new DatabaseServer(database) }],
      exports: [Transactions],
    };
  }
}
