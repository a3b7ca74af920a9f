import { EXECUTION_STATUSES, hasEnded, mayMoveExecution, type ExecutionStatus } from './execution-status.js';
import { isActive, mayMoveStep, STEP_STATUSES, type StepStatus } from './step-status.js';

const executionMoves: [ExecutionStatus, string][] = [
  ['queued', 'running paused compensating cancelled'],
  ['running', 'queued running awaiting_checkpoint waiting paused compensating completed failed cancelled'],
  ['awaiting_checkpoint', 'running paused compensating cancelled'],
  ['waiting', 'running paused compensating cancelled'],
  ['paused', 'queued compensating cancelled'],
  ['compensating', 'compensating failed cancelled'],
  ['completed', ''],
  ['failed', 'queued'],
  ['cancelled', ''],
];

const stepMoves: [StepStatus, string][] = [
  ['running', 'running waiting backing_off completed failed cancelled'],
  ['waiting', 'completed failed cancelled'],
  ['backing_off', 'running waiting backing_off completed failed cancelled'],
  ['completed', ''],
  ['failed', ''],
  ['cancelled', ''],
];

describe('the status of an execution', () => {
  it.each(executionMoves)('moves from %s to nothing else than %s', (from, to) => {
    expect(EXECUTION_STATUSES.filter((status) => mayMoveExecution(from, status)).join(' ')).toBe(to);
  });

  it('is final when it completed, failed or was cancelled', () => {
    expect(EXECUTION_STATUSES.filter(hasEnded)).toEqual(['completed', 'failed', 'cancelled']);
  });

  it('has a row for each status in this test', () => {
    expect(executionMoves.map(([status]) => status)).toEqual([...EXECUTION_STATUSES]);
  });
});

describe('the status of a step', () => {
  it.each(stepMoves)('moves from %s to nothing else than %s', (from, to) => {
    expect(STEP_STATUSES.filter((status) => mayMoveStep(from, status)).join(' ')).toBe(to);
  });

  it('is active while a worker, a person or time is still needed', () => {
    expect(STEP_STATUSES.filter(isActive)).toEqual(['running', 'waiting', 'backing_off']);
  });

  it('has a row for each status in this test', () => {
    expect(stepMoves.map(([status]) => status)).toEqual([...STEP_STATUSES]);
  });
});
