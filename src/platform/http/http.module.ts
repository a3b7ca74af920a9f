import { Global, Module } from '@nestjs/common';
import { ConnectionDrainer } from './connection-drainer.js';
import { SignedCursor } from './signed-cursor.js';
import { SignedToken } from './signed-token.js';

@Global()
@Module({ providers: [SignedCursor, SignedToken, ConnectionDrainer], exports: [SignedCursor, SignedToken] })
export class HttpModule {}
