/** Definitions that several tests run; ids are short because assertions name them. */

export const node = (id: string, type: string, data: object = {}) => ({ id, type, data });

export const edge = (source: string, target: string, sourceHandle?: string) => ({
  id: `${source}-${sourceHandle ?? ''}-${target}`,
  source,
  target,
  ...(sourceHandle ? { sourceHandle } : {}),
});

/** draft ─► review ─► done: needs no sandbox. */
export function reviewDefinition(checkpoint: object = {}) {
  return {
    nodes: [
      node('draft', 'transform', { output: { text: 'Dear {{ input.name }}' } }),
      node('review', 'checkpoint', { title: 'Send it?', content: '{{ steps.draft.output }}', ...checkpoint }),
      node('done', 'end', { output: '{{ steps.review.output.content.text }}' }),
    ],
    edges: [edge('draft', 'review'), edge('review', 'done', 'approved')],
  };
}
