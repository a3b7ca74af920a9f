import jsonPatch, { type Operation } from 'fast-json-patch';

/** The JSON Patch (RFC 6902) that turns `shown` into `edited`. */
export function diffContent(shown: unknown, edited: unknown): Operation[] {
  if (isContainer(shown) && isContainer(edited) && Array.isArray(shown) === Array.isArray(edited)) {
    return jsonPatch.compare(shown, edited);
  }
  return shown === edited ? [] : [{ op: 'replace', path: '', value: edited }];
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
