import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { Settings } from '../config/settings.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { AccessTokenStrategy } from './access-token-strategy.js';
import { AccountsService } from './accounts.service.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysRepository } from './api-keys.repository.js';
import { ApiKeysService } from './api-keys.service.js';
import { AuthController } from './auth.controller.js';
import { AuthService } from './auth.service.js';
import { JwtAuthGuard } from './jwt-auth.guard.js';
import { PasswordHashes } from './password-hashes.js';
import { SessionsController } from './sessions.controller.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionsService } from './sessions.service.js';
import { loadSigningKeys, SigningKeys } from './signing-keys.js';
import { UsersRepository } from './users.repository.js';

@Module({
  imports: [AuditModule, OrganizationsModule],
  controllers: [AuthController, SessionsController, ApiKeysController],
  providers: [
    { provide: SigningKeys, inject: [Settings], useFactory: loadSigningKeys },
    AccessTokenStrategy,
    JwtAuthGuard,
    AuthService,
    AccountsService,
    SessionsService,
    ApiKeysService,
    PasswordHashes,
    UsersRepository,
    SessionsRepository,
    ApiKeysRepository,
  ],
  exports: [JwtAuthGuard, AccountsService],
})
export class AuthModule {}
