import { hasFields } from './hash-link.mjs';

/** RFC 6902, as far as the product writes it: add, replace and remove. @throws Error what does not fit */
export function applyPatch(document, patch) {
  let root = structuredClone(document);
  for (const operation of patch) {
    const { op, path, value } = operation;
    if (!hasFields(operation, op === 'remove' ? ['op', 'path'] : ['op', 'path', 'value']))
      throw new Error(`${op} has other fields`);
    const keys = keysOf(path);
    if (keys.length > 0) change(root, keys, op, structuredClone(value));
    else if (op === 'replace') root = structuredClone(value);
    else throw new Error(`${op} of the whole`);
  }
  return root;
}

function keysOf(path) {
  if (path !== '' && (!path.startsWith('/') || /~(?![01])/.test(path)))
    throw new Error(`${JSON.stringify(path)} is no JSON Pointer`);
  return path
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function change(root, keys, op, value) {
  let parent = root;
  for (const key of keys.slice(0, -1)) parent = isThere(parent, key) ? parent[key] : missing(keys);
  const key = keys.at(-1);
  const isList = Array.isArray(parent);
  if (op === 'add' && isList && (isThere(parent, key) || key === String(parent.length)))
    parent.splice(Number(key), 0, value);
  else if (op === 'add' && !isList && isObject(parent)) set(parent, key, value);
  else if (!isThere(parent, key)) missing(keys);
  else if (op === 'replace') set(parent, key, value);
  else if (op === 'remove' && isList) parent.splice(Number(key), 1);
  else if (op === 'remove') delete parent[key];
  else throw new Error(`there is no ${op} here`);
}

const isObject = (value) => typeof value === 'object' && value !== null;
const isThere = (parent, key) =>
  isObject(parent) && Object.hasOwn(parent, key) && (!Array.isArray(parent) || /^(0|[1-9]\d*)$/.test(key));

/** Also where the key is `__proto__`. */
function set(parent, key, value) {
  Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true });
}

function missing(keys) {
  throw new Error(`there is nothing at /${keys.join('/')}`);
}
