import { pointerTo } from '../platform/http/json-pointer.js';

/** An operation of a JSON Patch (RFC 6902), as far as we write them. */
export type Operation = { op: 'add' | 'replace'; path: string; value: unknown } | { op: 'remove'; path: string };

/** More than this nobody reads. */
const MAX_OPERATIONS = 1_000;

/** Of all paths together: under long keys a small edit would otherwise make a patch of any size. */
const MAX_PATH_CHARACTERS = 100_000;

/**
 * The JSON Patch (RFC 6902) that turns `shown` into `edited`. Items of lists are compared by their place. A difference
 * of more than 1,000 operations, or with paths of more than 100,000 characters, is one: the whole content is replaced.
 */
export function diffContent(shown: unknown, edited: unknown): Operation[] {
  const patch: Operation[] = [];
  let characters = 0;
  for (const operation of differences(shown, edited, '')) {
    patch.push(operation);
    characters += operation.path.length;
    if (patch.length > MAX_OPERATIONS || characters > MAX_PATH_CHARACTERS) {
      return [{ op: 'replace', path: '', value: edited }];
    }
  }
  return patch;
}

function* differences(shown: unknown, edited: unknown, path: string): Generator<Operation> {
  if (shown === edited) return;
  if (Array.isArray(shown) && Array.isArray(edited)) yield* ofLists(shown, edited, path);
  else if (isObject(shown) && isObject(edited)) yield* ofObjects(shown, edited, path);
  else yield { op: 'replace', path, value: edited };
}

/** What is too much goes from the end, so that no place moves before it is named. */
function* ofLists(shown: unknown[], edited: unknown[], path: string): Generator<Operation> {
  const both = Math.min(shown.length, edited.length);
  for (let i = 0; i < both; i++) yield* differences(shown[i], edited[i], `${path}/${i}`);
  for (let i = shown.length - 1; i >= both; i--) yield { op: 'remove', path: `${path}/${i}` };
  for (let i = both; i < edited.length; i++) yield { op: 'add', path: `${path}/${i}`, value: edited[i] };
}

function* ofObjects(
  shown: Record<string, unknown>,
  edited: Record<string, unknown>,
  path: string,
): Generator<Operation> {
  for (const [key, value] of Object.entries(shown)) {
    const at = path + pointerTo([key]);
    if (Object.hasOwn(edited, key)) yield* differences(value, edited[key], at);
    else yield { op: 'remove', path: at };
  }
  for (const [key, value] of Object.entries(edited)) {
    if (!Object.hasOwn(shown, key)) yield { op: 'add', path: path + pointerTo([key]), value };
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
