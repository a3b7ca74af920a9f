import type { Role } from '../platform/http/permissions.js';

interface DemoPerson {
  name: string;
  email: string;
  role: Role;
}

/** Published on purpose: these accounts exist outside production only. */
export const DEMO_PASSWORD = 'review-before-release-42';

export const DEMO_ORGANIZATION = 'Demo';

/** An admin, somebody who writes and starts workflows, and somebody who decides. */
export const DEMO_PEOPLE = [
  { name: 'Demo Admin', email: 'admin@demo.example', role: 'admin' },
  { name: 'Demo Author', email: 'author@demo.example', role: 'editor' },
  { name: 'Demo Approver', email: 'approver@demo.example', role: 'approver' },
] as const satisfies DemoPerson[];
