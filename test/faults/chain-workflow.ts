import { edge, node } from '../definitions.js';

export const CHAIN = Array.from({ length: 10 }, (_, i) => `s${i + 1}`);

/** How long each step takes. */
export const STEP_MS = 50;

/** s1 ─► … ─► s10: each is a call that takes 50 ms and makes the number of the one before one larger. */
export function chainDefinition(effectsUrl: string) {
  return {
    nodes: CHAIN.map((id, i) => node(id, 'http', callData(effectsUrl, i))),
    edges: CHAIN.slice(1).map((id, i) => edge(CHAIN[i] ?? '', id)),
  };
}

function callData(url: string, i: number) {
  const n = i === 0 ? 0 : `{{ steps.${CHAIN[i - 1]}.output.body.n }}`;
  return { method: 'POST', url, body: { n }, timeout_seconds: 20 };
}

/** Whether an output follows from the one before it; before the first there is `undefined`. */
export function isLinked(before: unknown, after: unknown): boolean {
  const n = (output: unknown) => (output as { body: { n: number } }).body.n;
  return n(after) === (before === undefined ? 0 : n(before)) + 1;
}
