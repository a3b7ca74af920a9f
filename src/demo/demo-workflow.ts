/** Needs no sandbox, so that a checkpoint waits in the inbox on every machine. */
export const REFUND_REQUEST = {
  name: 'Refund request',
  description: 'Small refunds pass, larger ones wait for a person.',
  definition: {
    nodes: [
      {
        id: 'size',
        type: 'branch',
        position: { x: 0, y: 0 },
        data: { label: 'How much?', cases: [{ handle: 'small', when: 'input.amount <= 50' }] },
      },
      {
        id: 'review',
        type: 'checkpoint',
        position: { x: 240, y: 80 },
        data: {
          title: 'Refund {{ input.amount }} {{ input.currency }} to {{ input.customer }}?',
          instructions: 'Correct the amount if only a part is to be refunded.',
          content: { customer: '{{ input.customer }}', amount: '{{ input.amount }}', reason: '{{ input.reason }}' },
          schema: {
            type: 'object',
            required: ['customer', 'amount'],
            properties: { customer: { type: 'string' }, amount: { type: 'number', minimum: 0 } },
          },
          not_requester: true,
        },
      },
      {
        id: 'refunded',
        type: 'end',
        position: { x: 480, y: 80 },
        data: { output: { refunded: '{{ steps.review.output.content.amount }}' } },
      },
      {
        id: 'passed',
        type: 'end',
        position: { x: 240, y: -80 },
        data: { output: { refunded: '{{ input.amount }}' } },
      },
      {
        id: 'refused',
        type: 'end',
        position: { x: 480, y: 200 },
        data: { output: { refunded: 0, why: '{{ steps.review.output.comment }}' } },
      },
    ],
    edges: [
      { id: 'small', source: 'size', sourceHandle: 'small', target: 'passed' },
      { id: 'large', source: 'size', sourceHandle: 'else', target: 'review' },
      { id: 'approved', source: 'review', sourceHandle: 'approved', target: 'refunded' },
      { id: 'rejected', source: 'review', sourceHandle: 'rejected', target: 'refused' },
    ],
  },
};

export const REFUND_INPUT = { customer: 'Ada', amount: 129.5, currency: 'EUR', reason: 'Arrived broken' };
