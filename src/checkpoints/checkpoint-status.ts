/** `open` until one decision or the end of its execution closes it; nothing leaves the other three. */
export const CHECKPOINT_STATUSES = ['open', 'approved', 'rejected', 'withdrawn'] as const;
export type CheckpointStatus = (typeof CHECKPOINT_STATUSES)[number];
