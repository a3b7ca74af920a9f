import type { Problem } from '../errors/domain-error.js';

const MAX_PROBLEMS = 100;
const MAX_CHARACTERS = 1_000;

/**
 * The first 100 problems, their texts cut to 1,000 characters. Nobody reads more, and a small request must not make a
 * large answer: the pointers of many problems may all begin with the same key of a hundred thousand characters.
 */
export function readableProblems(problems: readonly Problem[]): Problem[] {
  return problems.slice(0, MAX_PROBLEMS).map(({ pointer, code, message }) => ({
    pointer: cut(pointer),
    code,
    message: cut(message),
  }));
}

function cut(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS - 1)}…`.toWellFormed();
}
