import { Global, Module } from '@nestjs/common';
import { Settings } from '../../config/settings.js';
import { HttpSender } from './http-sender.js';
import { lookUpName } from './judge-target.js';

/** The one way out to other servers. */
@Global()
@Module({
  providers: [
    {
      provide: HttpSender,
      inject: [Settings],
      useFactory: (settings: Settings) => new HttpSender(settings, lookUpName),
    },
  ],
  exports: [HttpSender],
})
export class OutboundModule {}
