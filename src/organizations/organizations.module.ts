import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.js';
import { GroupsController } from './groups.controller.js';
import { GroupsRepository } from './groups.repository.js';
import { GroupsService } from './groups.service.js';
import { MembersController } from './members.controller.js';
import { MembersRepository } from './members.repository.js';
import { MembersService } from './members.service.js';
import { OrganizationsController } from './organizations.controller.js';
import { OrganizationsRepository } from './organizations.repository.js';
import { OrganizationsService } from './organizations.service.js';

@Module({
  imports: [AuditModule],
  controllers: [OrganizationsController, MembersController, GroupsController],
  providers: [
    OrganizationsService,
    MembersService,
    GroupsService,
    OrganizationsRepository,
    MembersRepository,
    GroupsRepository,
  ],
  exports: [OrganizationsService],
})
export class OrganizationsModule {}
