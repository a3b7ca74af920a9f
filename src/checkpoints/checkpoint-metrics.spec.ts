import { Registry } from 'prom-client';
import { CheckpointMetrics } from './checkpoint-metrics.js';

describe('CheckpointMetrics', () => {
  it('counts actions of definitions as one series, and begins with zeros', async () => {
    const registry = new Registry();
    const metrics = new CheckpointMetrics(registry);
    metrics.opened();
    metrics.decided('approve', 90);
    metrics.decided('send_to_legal', 3 * 86_400);
    metrics.decided('__proto__', 1);
    metrics.expired('reject');
    const lines = (await registry.metrics()).split('\n');
    expect(lines.filter((line) => /^holdpoint_\w+_total/.test(line))).toEqual([
      'holdpoint_checkpoints_created_total 1',
      'holdpoint_checkpoints_decided_total{action="approve"} 1',
      'holdpoint_checkpoints_decided_total{action="edit"} 0',
      'holdpoint_checkpoints_decided_total{action="reject"} 0',
      'holdpoint_checkpoints_decided_total{action="request_changes"} 0',
      'holdpoint_checkpoints_decided_total{action="custom"} 2',
      'holdpoint_checkpoints_expired_total{on_expiry="fail"} 0',
      'holdpoint_checkpoints_expired_total{on_expiry="reject"} 1',
      'holdpoint_checkpoints_expired_total{on_expiry="escalate"} 0',
      'holdpoint_checkpoints_expired_total{on_expiry="approve"} 0',
    ]);
    expect(lines).toContain('holdpoint_checkpoint_time_to_decide_seconds_bucket{le="300"} 2');
    expect(lines).toContain('holdpoint_checkpoint_time_to_decide_seconds_bucket{le="2592000"} 3');
  });
});
