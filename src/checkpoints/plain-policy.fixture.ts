import type { CheckpointPolicy } from '../workflows/engine/checkpoint-policy.js';

/** What a checkpoint asks for whose definition asks for nothing, but its actions. */
export const PLAIN_POLICY: CheckpointPolicy = {
  assignees: null,
  actions: [],
  editable: true,
  not_requester: false,
  not_same_as: [],
  due: null,
  on_expiry: 'fail',
  working_hours: null,
  reminders: [],
  escalation: [],
  retain_reviewer: false,
  max_rounds: null,
  allow_links: 'no',
  allow_api_keys: false,
};
