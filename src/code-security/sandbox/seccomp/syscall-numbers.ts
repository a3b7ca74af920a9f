import numbers from './syscall-numbers.json' with { type: 'json' };

export type Architecture = 'x86_64' | 'aarch64';

/** Numbers of the system calls by name, from the kernel's tables (asm/unistd_64.h and asm-generic/unistd.h). */
export const syscallNumbers: Record<Architecture, Readonly<Record<string, number | undefined>>> = numbers;

/** The architecture that Node runs on, or null where we have no numbers for it. */
export function hostArchitecture(): Architecture | null {
  return ({ x64: 'x86_64', arm64: 'aarch64' } as const)[process.arch as 'x64' | 'arm64'] ?? null;
}
