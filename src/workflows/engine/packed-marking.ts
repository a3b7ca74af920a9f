import type { Marking } from './marking.js';

/** A marking as JSON, for who wants to go on from it without all the steps that led to it. */
export type PackedMarking = Pick<Marking, 'tokens' | 'active'> & {
  started: [nodeId: string, count: number][];
  completed: string[];
  decided: string[];
};

export function packMarking({ tokens, active, started, completed, decided }: Marking): PackedMarking {
  return { tokens, active, started: [...started], completed: [...completed], decided: [...decided] };
}

export function unpackMarking({ tokens, active, started, completed, decided }: PackedMarking): Marking {
  return { tokens, active, started: new Map(started), completed: new Set(completed), decided: new Set(decided) };
}
