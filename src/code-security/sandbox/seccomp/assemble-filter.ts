import type { Architecture } from './syscall-numbers.js';

/**
 * What the kernel does with a system call. `kill` ends the whole process at once, `errno` makes the call fail with that
 * number (1–4095), `pretend` does nothing and tells success, `ask` leaves it to the holder of the filter's listener, and is
 * ENOSYS when there is none.
 */
export type Action = 'allow' | 'kill' | 'pretend' | 'ask' | { errno: number };

/**
 * A test of the low 32 bits of one argument (0–5): equal to one of `oneOf` after `mask`. Right for every argument the
 * kernel itself takes as an int. `isNull` tests all 64 bits, as a pointer needs.
 */
type ArgumentTest = { argument: number; mask?: number; oneOf: readonly number[] } | { argument: number; isNull: true };

interface Condition {
  when: ArgumentTest;
  action: Action;
  otherwise: Action | Condition;
}

export interface SyscallRule {
  number: number;
  action: Action;
  /** When given, `action` applies only if the test holds, `otherwise` if not. */
  when?: ArgumentTest;
  otherwise?: Action | Condition;
}

export interface FilterDescription {
  architecture: Architecture;
  rules: readonly SyscallRule[];
  /** For every number without a rule. */
  unlisted: Action;
}

interface Instruction {
  code: number;
  jumpTrue: number;
  jumpFalse: number;
  operand: number;
}

// <linux/bpf_common.h> and <linux/filter.h>
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const AND = 0x54;
const RETURN = 0x06;
// <linux/seccomp.h>
const RETURN_KILL_PROCESS = 0x80000000;
const RETURN_ERRNO = 0x00050000;
const RETURN_ASK_LISTENER = 0x7fc00000;
const RETURN_ALLOW = 0x7fff0000;
/** The kernel's BPF_MAXINSNS. */
const LONGEST_PROGRAM = 4096;
// Offsets in struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6], little endian on both.
const NUMBER_OFFSET = 0;
const ARCHITECTURE_OFFSET = 4;
const ARGUMENTS_OFFSET = 16;
// <linux/audit.h>
const AUDIT_ARCHITECTURE: Record<Architecture, number> = { x86_64: 0xc000003e, aarch64: 0xc00000b7 };
/** x32 calls carry this bit and the x86_64 architecture: without a test of their own they would pass as strangers. */
const X32_BIT = 0x40000000;

/**
 * The bytes of a seccomp filter: struct sock_filter[], 8 bytes each (u16 code, u8 jt, u8 jf, u32 k, little endian).
 * A linear list is enough: since Linux 5.11 calls that are always allowed are answered from a bitmap.
 * Throws if two rules name the same call, or the program is longer than the kernel takes.
 */
export function assembleFilter({ architecture, rules, unlisted }: FilterDescription): Buffer {
  rejectRepeatedNumbers(rules);
  const program = [
    load(ARCHITECTURE_OFFSET),
    jump(JUMP_IF_EQUAL, AUDIT_ARCHITECTURE[architecture], 1, 0),
    answer('kill'),
    load(NUMBER_OFFSET),
    ...(architecture === 'x86_64' ? [jump(JUMP_IF_AT_LEAST, X32_BIT, 0, 1), answer('kill')] : []),
    ...rules.flatMap(assembleRule),
    answer(unlisted),
  ];
  if (program.length > LONGEST_PROGRAM) throw new Error(`A filter of ${program.length} instructions is too long.`);
  return encode(program);
}

function rejectRepeatedNumbers(rules: readonly SyscallRule[]): void {
  const seen = new Set<number>();
  for (const { number } of rules) {
    if (seen.has(number)) throw new Error(`System call ${number} has two rules.`);
    seen.add(number);
  }
}

/** A rule is entered with the number in the accumulator; when it is about another number it is jumped over whole. */
function assembleRule(rule: SyscallRule): Instruction[] {
  const { when, action, otherwise = 'kill' } = rule;
  const body = when ? assembleTest({ when, action, otherwise }) : [answer(action)];
  return [jump(JUMP_IF_EQUAL, rule.number, 0, body.length), ...body];
}

function assembleTest({ when: test, action, otherwise }: Condition): Instruction[] {
  const low = ARGUMENTS_OFFSET + 8 * test.argument;
  const last = typeof otherwise === 'object' && 'when' in otherwise ? assembleTest(otherwise) : [answer(otherwise)];
  if ('isNull' in test) {
    return [
      load(low),
      jump(JUMP_IF_EQUAL, 0, 0, 3),
      load(low + 4),
      jump(JUMP_IF_EQUAL, 0, 0, 1),
      answer(action),
      ...last,
    ];
  }
  const comparisons = test.oneOf.flatMap((value) => [jump(JUMP_IF_EQUAL, value, 0, 1), answer(action)]);
  const mask = test.mask === undefined ? [] : [{ code: AND, jumpTrue: 0, jumpFalse: 0, operand: test.mask }];
  return [load(low), ...mask, ...comparisons, ...last];
}

function answer(action: Action): Instruction {
  return { code: RETURN, jumpTrue: 0, jumpFalse: 0, operand: returnValue(action) };
}

function returnValue(action: Action): number {
  if (action === 'allow') return RETURN_ALLOW;
  if (action === 'kill') return RETURN_KILL_PROCESS;
  if (action === 'pretend') return RETURN_ERRNO;
  if (action === 'ask') return RETURN_ASK_LISTENER;
  return RETURN_ERRNO | action.errno;
}

function load(offset: number): Instruction {
  return { code: LOAD_WORD, jumpTrue: 0, jumpFalse: 0, operand: offset };
}

function jump(code: number, operand: number, jumpTrue: number, jumpFalse: number): Instruction {
  return { code, jumpTrue, jumpFalse, operand };
}

/** Throws (RangeError) if a jump is longer than the 255 instructions that fit its byte. */
function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(({ code, jumpTrue, jumpFalse, operand }, index) => {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(jumpTrue, index * 8 + 2);
    bytes.writeUInt8(jumpFalse, index * 8 + 3);
    bytes.writeUInt32LE(operand, index * 8 + 4);
  });
  return bytes;
}
