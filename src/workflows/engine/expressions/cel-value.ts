/**
 * Values inside an expression. Numbers of JSON are doubles (`number`), whole numbers written in the expression are
 * 64-bit integers (`bigint`), as in other CEL implementations over JSON. Objects of JSON stay the plain objects they
 * are; a map built in the expression is a `Map`, so that no key of it can mean anything to JavaScript.
 */
export type CelValue =
  null | boolean | number | bigint | string | Uint8Array | Date | CelDuration | CelType | CelList | CelMap | CelObject;
export type CelList = readonly CelValue[];
export type CelMap = ReadonlyMap<CelKey, CelValue>;
export type CelKey = string | bigint | boolean;
export interface CelObject {
  readonly [key: string]: CelValue;
}

export class CelDuration {
  constructor(readonly nanoseconds: bigint) {}
}

export class CelType {
  constructor(readonly name: CelTypeName) {}
}

export const celTypeNames = [
  'null_type',
  'bool',
  'int',
  'double',
  'string',
  'bytes',
  'timestamp',
  'duration',
  'list',
  'map',
  'type',
] as const;
export type CelTypeName = (typeof celTypeNames)[number];

export function typeNameOf(value: CelValue): CelTypeName {
  switch (typeof value) {
    case 'boolean':
      return 'bool';
    case 'number':
      return 'double';
    case 'bigint':
      return 'int';
    case 'string':
      return 'string';
    default:
      return value === null ? 'null_type' : typeNameOfObject(value);
  }
}

function typeNameOfObject(value: object): CelTypeName {
  if (Array.isArray(value)) return 'list';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof Date) return 'timestamp';
  if (value instanceof CelDuration) return 'duration';
  if (value instanceof CelType) return 'type';
  return 'map';
}

export const isList = (value: CelValue): value is CelList => Array.isArray(value);

export const isMapping = (value: CelValue): value is CelMap | CelObject =>
  typeof value === 'object' && value !== null && typeNameOfObject(value) === 'map';

/**
 * The value under a key, or undefined. Only own keys count: `__proto__`, `constructor` and `toString` are keys like
 * any other and are found only where the data has them.
 */
export function valueAt(mapping: CelMap | CelObject, key: CelKey): CelValue | undefined {
  if (mapping instanceof Map) return mapping.get(key);
  const object = mapping as CelObject;
  return typeof key === 'string' && Object.hasOwn(object, key) ? object[key] : undefined;
}

export const keysOf = (mapping: CelMap | CelObject): CelKey[] =>
  mapping instanceof Map ? [...mapping.keys()] : Object.keys(mapping);

/** A value as a key of a map, or undefined where it cannot be one; 1 and 1.0 are the same key. */
export function asKey(value: CelValue): CelKey | undefined {
  if (typeof value === 'string' || typeof value === 'bigint' || typeof value === 'boolean') return value;
  return typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : undefined;
}
