import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { z } from 'zod';
import { loadSettings } from './load-settings.js';
import { secretNames, settingsSchema } from './settings.js';

const EXAMPLE = readFileSync('.env.example', 'utf8');
const UNCOMMENTED = parseEnv(EXAMPLE.replaceAll(/^# ([A-Z][A-Z0-9_]*=)/gm, '$1'));

/** Each setting of the file with the comment above it. */
const ENTRIES = EXAMPLE.trim()
  .split(/\n\n+/)
  .slice(1)
  .map((block) => {
    const lines = block.split('\n');
    return { name: /^# ([A-Z0-9_]+)=/.exec(lines.at(-1) ?? '')?.[1] ?? '', comment: lines.slice(0, -1).join('\n') };
  });

const DEFAULTS = Object.entries(loadSettings({}));
const WITHOUT_DEFAULT = DEFAULTS.filter(([, value]) => value === undefined).map(([name]) => name);
const EMPTY_LISTS = DEFAULTS.filter(([, value]) => Array.isArray(value) && value.length === 0).map(([name]) => name);

describe('.env.example', () => {
  it('names every setting once, in the order of the schema, and nothing else', () => {
    expect(ENTRIES.map(({ name }) => name)).toEqual(Object.keys(settingsSchema.shape));
  });

  it('shows the very defaults of the schema', () => {
    expect(loadSettings(UNCOMMENTED)).toEqual(loadSettings({}));
  });

  it('shows every default that the schema has', () => {
    const unset = Object.keys(UNCOMMENTED).filter((name) => UNCOMMENTED[name] === '');
    expect(unset.toSorted()).toEqual([...WITHOUT_DEFAULT, ...EMPTY_LISTS].toSorted());
  });

  it.each([...WITHOUT_DEFAULT, ...EMPTY_LISTS])('says what happens when %s is left out', (name) => {
    expect(commentOf(name)).toMatch(/Default: |Required in production|Needed only while/);
  });

  it.each(ENTRIES)('explains $name', ({ comment }) => {
    expect(comment).toMatch(/^# \S/);
  });

  it('holds no secret', () => {
    expect(secretNames.map((name) => UNCOMMENTED[name])).toEqual(secretNames.map(() => ''));
  });

  it('marks with (file) exactly the settings that are read from files', () => {
    const marked = ENTRIES.filter(({ comment }) => comment.includes('(file)')).map(({ name }) => name);
    expect(marked.toSorted()).toEqual(secretNames.toSorted());
  });

  it.each(ranges())('tells the range of %s, %d to %d', (name, least, most) => {
    expect(commentOf(name)).toContain(`${least} to ${most}`);
  });
});

function commentOf(name: string): string | undefined {
  return ENTRIES.find((entry) => entry.name === name)?.comment;
}

/** The bounds of all settings that are whole numbers. */
function ranges(): [name: string, least: number, most: number][] {
  const { properties = {} } = z.toJSONSchema(settingsSchema, { unrepresentable: 'any' });
  return Object.entries(properties).flatMap(([name, schema]) => {
    if (typeof schema === 'boolean' || schema.type !== 'integer') return [];
    return [[name, Number(schema.minimum), Number(schema.maximum)]];
  });
}
