import { STEP_MOVES, STEP_STATUSES } from '../workflows/engine/step-status.js';

/** `steps` is what is stored, `excluded` what is to be written: admits the legal moves and nothing else. */
const legalMove = STEP_STATUSES.filter((from) => STEP_MOVES[from].length > 0)
  .map(
    (from) =>
      `(steps.status = '${from}' and excluded.status in (${STEP_MOVES[from].map((to) => `'${to}'`).join(', ')}))`,
  )
  .join(' or ');

/**
 * Everything one or more turns have to say, in one statement and one round trip. `$1` is a JSON array of `TurnCommit`.
 *
 * 1. `held`: only executions whose epoch is still the writer's change; all else hangs on their rows.
 * 2. A nudge the writer has not seen (`nudges` differs) makes a released row due at once.
 * 3. Events take the numbers up to the row's new `last_event`, in the order given.
 * 4. A step is inserted, or makes a legal move from what is stored; a decision that was faster is left alone.
 */
export const COMMIT_TURNS = `
with given as (
  select * from json_to_recordset($1::json) as g(
    execution_id uuid, epoch int, nudges int, status text, released boolean, ended boolean,
    wake_in double precision, wake_at timestamptz, output json, error json, steps json, events json)
), held as (
  update executions e set
    status = g.status,
    wake_at = case
      when g.ended then null
      when not g.released then e.wake_at
      when e.nudges <> g.nudges then now()
      else least(g.wake_at, now() + make_interval(secs => g.wake_in)) end,
    worker = case when g.released then null else e.worker end,
    last_event = e.last_event + json_array_length(g.events),
    output = g.output,
    error = g.error,
    ended_at = case when g.ended then now() end
  from given g
  where e.id = g.execution_id and e.epoch = g.epoch and e.status = 'running'
  returning e.id, e.epoch, e.nudges, e.last_event, g.steps, g.events
), written_steps as (
  insert into steps (execution_id, node_id, iteration, node_type, status, attempt, consumed, fired, input, output,
                     error, logs, due_at, started_at, ended_at)
  select h.id, s.node_id, s.iteration, s.node_type, s.status, s.attempt, s.consumed, s.fired, s.input, s.output,
         s.error, s.logs, coalesce(s.due_at, now() + make_interval(secs => s.due_in)),
         clock_timestamp() - make_interval(secs => s.took),
         case when s.status in ('completed', 'failed', 'cancelled') then clock_timestamp() end
  from held h cross join lateral json_to_recordset(h.steps) as s(
    node_id text, iteration int, node_type text, status text, attempt int, consumed json, fired json, input json,
    output json, error json, logs json, due_at timestamptz, due_in double precision, took double precision)
  on conflict (execution_id, node_id, iteration) do update set
    status = excluded.status, attempt = excluded.attempt, fired = excluded.fired, output = excluded.output,
    error = excluded.error, logs = excluded.logs, due_at = excluded.due_at, ended_at = excluded.ended_at
  where ${legalMove}
), written_events as (
  insert into execution_events (execution_id, seq, type, node_id, iteration, data)
  select h.id, h.last_event - json_array_length(h.events) + v.position, v.event->>'type', v.event->>'node_id',
         (v.event->>'iteration')::int, v.event->'data'
  from held h cross join lateral json_array_elements(h.events) with ordinality as v(event, position)
)
select id as execution_id, epoch, nudges from held`;
