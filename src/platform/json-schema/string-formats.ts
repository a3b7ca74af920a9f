import type { Ajv2020 } from 'ajv/dist/2020.js';
import formats, { type FormatName } from 'ajv-formats';

/** The `format`s a schema may name; others are refused. */
export const STRING_FORMATS = [
  'date',
  'date-time',
  'time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uuid',
] as const satisfies FormatName[];

/** Longest text that has a format, in UTF-16 code units: the formats are regular expressions that backtrack. */
const MAX_FORMATTED_LENGTH = 2_048;

export function addShortFormats(ajv: Ajv2020): Ajv2020 {
  for (const name of STRING_FORMATS) {
    const hasFormat = testOf(name);
    ajv.addFormat(name, {
      type: 'string',
      validate: (text: string) => text.length <= MAX_FORMATTED_LENGTH && hasFormat(text),
    });
  }
  return ajv;
}

function testOf(name: FormatName): (text: string) => boolean {
  const format = formats.default.get(name);
  const check = typeof format === 'object' && 'validate' in format ? format.validate : format;
  if (check instanceof RegExp) return (text) => check.test(text);
  if (typeof check !== 'function') throw new Error(`ajv-formats has no test for ${name}`);
  return (text) => (check as (text: string) => boolean)(text);
}
