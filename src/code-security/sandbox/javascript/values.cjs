/*
 * Turns the values that untrusted code left behind into JSON text: strictly for results, descriptively for people.
 *
 * The text is joined from strings, by functions held from before the code ran. Neither JSON.stringify nor a method of
 * arrays sees an object here: the prototypes, also of our own objects, belong to the code.
 */
'use strict';

const { inspect, types } = require('node:util');

const { apply, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const { stringify } = JSON;
const { isArray } = Array;
const { isFinite } = Number;
const { isProxy } = types;
const { slice } = String.prototype;
const toText = String;

const LARGEST_RESULT = 1 << 20;
const DEEPEST_OUTPUT = 100;
const LONGEST_MESSAGE = 2000;
const DEEPEST_LOCALS = 6;
const MOST_ITEMS = 200;
const MOST_NODES = 2000;
const LONGEST_TEXT = 10_000;
const MOST_TEXT = 200_000;

/** A value has no place in a result; the text says which value and why. */
class Unfit {
  constructor(type, message) {
    this.type = type;
    this.message = message;
  }

  static tooLarge() {
    return new Unfit('OutputTooLarge', 'The result does not fit into 1 MiB of JSON. Return less, or in parts.');
  }
}

/**
 * The value as JSON text, or throws Unfit naming the way to what JSON has no place for. As with JSON.stringify `toJSON`
 * is asked and undefined members are left out; unlike with it nothing else is lost in silence.
 */
function toStrictJson(value, path, depth = 0) {
  const plain = askForJson(value);
  if (plain === null || typeof plain === 'boolean') return toText(plain);
  if (typeof plain === 'string') return within(stringify(plain));
  if (typeof plain === 'number' && isFinite(plain)) return toText(plain);
  if (typeof plain !== 'object') throw notJson(path, `is ${nameOther(plain)}, which JSON cannot hold`);
  if (depth === DEEPEST_OUTPUT) throw notJson(path, `is nested deeper than ${depth} levels, or contains itself`);
  if (isArray(plain)) return strictItems(plain, path, depth);
  if (isPlain(plain)) return strictEntries(plain, path, depth);
  throw notJson(path, `is of type ${typeName(plain)}, which JSON cannot hold`);
}

/** What makes a Date a text, here and in JSON.stringify. */
function askForJson(value) {
  if (typeof value !== 'object' || value === null) return value;
  const { toJSON } = value;
  return typeof toJSON === 'function' ? apply(toJSON, value, []) : value;
}

function strictItems(items, path, depth) {
  let text = '';
  for (let index = 0; index < items.length; index++) {
    text = within(join(text, toStrictJson(items[index], { path, step: index }, depth + 1)));
  }
  return `[${text}]`;
}

function strictEntries(entries, path, depth) {
  const keys = ownKeys(entries);
  let text = '';
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index];
    if (typeof key !== 'string' || !getOwnPropertyDescriptor(entries, key)?.enumerable) continue;
    const value = entries[key];
    if (value === undefined) continue;
    text = within(join(text, `${stringify(key)}:${toStrictJson(value, { path, step: key }, depth + 1)}`));
  }
  return `{${text}}`;
}

function join(text, piece) {
  return text === '' ? piece : `${text},${piece}`;
}

/** Looked at while the text grows, so that a hopeless one does not use up the memory first. */
function within(text) {
  if (text.length <= LARGEST_RESULT) return text;
  throw Unfit.tooLarge();
}

function notJson(path, what) {
  return new Unfit('OutputNotJson', `${spell(path)} ${what}.`);
}

function nameOther(value) {
  return typeof value === 'number' || value === undefined ? toText(value) : `of type ${typeof value}`;
}

/** `path` is the name of the variable, or a path and one step more; put into words only when needed. */
function spell(path) {
  let all = '';
  let head = '';
  let tail = '';
  let previous = '';
  for (let count = 0; typeof path === 'object'; count++, path = path.path) {
    const { step } = path;
    const text = `[${typeof step === 'number' ? toText(step) : cut(stringify(step), 60)}]`;
    // A value that contains itself makes the way to it long.
    all = cut(text + all, 1000);
    head = text + previous;
    if (count < 2) tail = text + tail;
    previous = text;
  }
  // Left out are whole steps: of one without its beginning nobody could tell that it is the end of a secret.
  return path.length + all.length <= 300 ? path + all : `${path}${head} … ${tail}`;
}

/** An object literal or one without a prototype, also of another realm. */
function isPlain(value) {
  const prototype = getPrototypeOf(value);
  return prototype === null || getPrototypeOf(prototype) === null;
}

/** String() of a value, or what `convert` makes of it; the value may fight back. */
function safeText(value, convert = toText, longest = LONGEST_MESSAGE) {
  try {
    const text = convert(value);
    return typeof text === 'string' ? cut(text, longest) : '<cannot be shown>';
  } catch {
    return '<cannot be shown>';
  }
}

function cut(text, longest) {
  return text.length <= longest ? text : apply(slice, text, [0, longest]);
}

/** The name of what made an object. Runs no code of a proxy, but perhaps a getter. */
function typeName(value) {
  if (isProxy(value)) return 'Proxy';
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  const name = safeText(value, (object) => object.constructor.name);
  return name === '' || name === '<cannot be shown>' ? 'Object' : cut(name, 200);
}

/**
 * Describes values for a reader: plain ones as JSON, everything else as {"$type", "repr"}. Bounded in depth, items, nodes
 * and text, so that no variable can fill the frame.
 */
class Description {
  constructor() {
    this.nodes = 0;
    this.text = 0;
  }

  isSpent() {
    return this.nodes >= MOST_NODES || this.text >= MOST_TEXT;
  }

  /** JSON text. */
  describe(value, depth = 0) {
    this.nodes += 1;
    if (value === null || typeof value === 'boolean') return toText(value);
    if (typeof value === 'number' && isFinite(value)) return toText(value);
    if (typeof value === 'string' && value.length <= LONGEST_TEXT) return stringify(this.spend(value));
    if (typeof value === 'object' && !isProxy(value) && depth < DEEPEST_LOCALS && !this.isSpent()) {
      if (isArray(value)) return this.describeItems(value, depth);
      if (isPlain(value)) return this.describeEntries(value, depth);
    }
    return this.describeOther(value);
  }

  describeItems(items, depth) {
    const { length } = items;
    let text = '';
    let index = 0;
    for (; index < length && index < MOST_ITEMS && !this.isSpent(); index++) {
      text = join(text, this.describeMember(items, toText(index), depth));
    }
    if (index < length) text = join(text, missing(length - index));
    return `[${text}]`;
  }

  describeEntries(entries, depth) {
    const keys = enumerableKeys(entries);
    let text = '';
    let index = 0;
    for (; index < keys.length && index < MOST_ITEMS && !this.isSpent(); index++) {
      const name = stringify(this.spend(cut(keys[index], 200)));
      text = join(text, `${name}:${this.describeMember(entries, keys[index], depth)}`);
    }
    if (index < keys.length) text = join(text, `"...":${missing(keys.length - index)}`);
    return `{${text}}`;
  }

  /** A getter is shown as one, not run. */
  describeMember(object, key, depth) {
    const member = getOwnPropertyDescriptor(object, key);
    if (member && !('value' in member)) return other('accessor', '[Getter]');
    return this.describe(member?.value, depth + 1);
  }

  describeOther(value) {
    return other(typeName(value), this.spend(this.show(value)));
  }

  show(value) {
    if (typeof value === 'string') return cut(value, LONGEST_TEXT);
    if (isProxy(value)) return '<Proxy>';
    if (this.isSpent()) return `<${typeName(value)}>`;
    return safeText(value, (shown) => inspect(shown, SHOWN));
  }

  spend(text) {
    const room = MOST_TEXT - this.text;
    const kept = cut(text, room < 0 ? 0 : room);
    this.text += kept.length;
    return kept;
  }
}

const SHOWN = { __proto__: null, depth: 1, breakLength: Infinity, maxArrayLength: 100, maxStringLength: 1000 };

function enumerableKeys(object) {
  const keys = ownKeys(object);
  const found = { length: 0, __proto__: null };
  for (let index = 0; index < keys.length; index++) {
    if (typeof keys[index] !== 'string' || !getOwnPropertyDescriptor(object, keys[index])?.enumerable) continue;
    found[found.length] = keys[index];
    found.length += 1;
  }
  return found;
}

function other(type, repr) {
  return `{"$type":${stringify(type)},"repr":${stringify(repr)}}`;
}

function missing(count) {
  return other('truncated', `${count} more`);
}

module.exports = { Description, LARGEST_RESULT, MOST_ITEMS, Unfit, cut, join, safeText, toStrictJson, typeName };
