import { Global, Module } from '@nestjs/common';
import { ConnectionDrainer } from './connection-drainer.js';
import { SignedCursor } from './signed-cursor.js';

@Global()
@Module({ providers: [SignedCursor, ConnectionDrainer], exports: [SignedCursor] })
export class HttpModule {}
