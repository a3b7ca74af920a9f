import { inPortions } from './in-portions.js';
import type { CodeJob, CodeResult, OutputStream, RunOptions } from './sandbox/sandbox-driver.js';
import { formsOf } from './secret-forms.js';
import { TextFinder } from './text-finder.js';

const MASK = '***';

/**
 * Where a text may have been cut off, the beginning of a secret counts from so many characters on: `https://` begins more
 * than one secret and many texts that are none.
 */
const LEAST_BEGINNING = 12;

/** What is hidden beside whole secrets: nothing, a beginning at the very end, or beginnings everywhere. */
type Beginnings = 'none' | 'at_end' | 'everywhere';

/** Runs a job that may know secrets: they become the variable `secrets` of the code, and nothing that comes out shows them. */
export async function runWithSecrets(
  { secrets, ...job }: CodeJob,
  options: RunOptions,
  run: (job: CodeJob, options: RunOptions) => Promise<CodeResult>,
): Promise<CodeResult> {
  if (!secrets) return run(job, options);
  const plain = { ...job, globals: { ...job.globals, secrets } };
  const values = Object.values(secrets);
  if (values.length === 0) return run(plain, options);
  const mask = await inPortions(SecretMask.of(values));
  const { onOutput } = options;
  const masked = onOutput ? { ...options, onOutput: mask.follow(onOutput) } : options;
  return inPortions(mask.result(await run(plain, masked)));
}

/** Characters that are looked at in one go; each value of a document counts for as many as it costs. */
const GO = 16_384;
const COST_OF_VALUE = 64;

/** Puts `***` where one of the values can be read, in any of the forms of `secret-forms.ts`. */
export class SecretMask {
  private gone = 0;

  private constructor(private readonly finder: TextFinder) {}

  /** Work for `inPortions`, as everything here that may be long. */
  static *of(values: readonly string[]): Generator<void, SecretMask> {
    const forms = new Set<string>();
    for (const value of values) {
      for (const form of formsOf(value)) {
        forms.add(form);
        yield;
      }
    }
    return new SecretMask(yield* TextFinder.of(forms));
  }

  *text(text: string, beginnings: Beginnings = 'none'): Generator<void, string> {
    const stream = new MaskedStream(this.finder, beginnings);
    let masked = '';
    for (let at = 0; at < text.length; at += GO) {
      masked += stream.push(text.slice(at, at + GO));
      yield;
    }
    return masked + stream.end();
  }

  /** A copy of a JSON value; keys that come to be the same are one. A number that shows a secret becomes text. */
  *json(value: unknown, beginnings: Beginnings = 'none'): Generator<void, unknown> {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
    this.gone += text.length + COST_OF_VALUE;
    if (this.gone >= GO) {
      this.gone = 0;
      yield;
    }
    if (Array.isArray(value)) return yield* this.array(value, beginnings);
    if (typeof value === 'object' && value !== null) return yield* this.object(value, beginnings);
    const masked = text.length > GO ? yield* this.text(text, beginnings) : this.short(text, beginnings);
    return masked === text ? value : masked;
  }

  /** Texts about the code are cut where they get long, in their middle too, so beginnings are hidden in them as well. */
  *result(result: CodeResult): Generator<void, CodeResult> {
    const { error_type: type, error_message: message, locals_dict: locals } = result;
    return {
      ...result,
      stdout: yield* this.text(result.stdout, 'at_end'),
      stderr: yield* this.text(result.stderr, 'at_end'),
      error_type: type && (yield* this.text(type, 'everywhere')),
      error_message: message && (yield* this.text(message, 'everywhere')),
      locals_dict: locals && (yield* this.object(locals, 'everywhere')),
      output: yield* this.json(result.output),
    };
  }

  /** What may yet become a secret is held back until it is known not to; at the end of a run it is left out. */
  follow(hear: (stream: OutputStream, text: string) => void): (stream: OutputStream, text: string) => void {
    const streams = { stdout: new MaskedStream(this.finder, 'none'), stderr: new MaskedStream(this.finder, 'none') };
    return (stream, text) => {
      const masked = streams[stream].push(text);
      if (masked !== '') hear(stream, masked);
    };
  }

  private short(text: string, beginnings: Beginnings): string {
    const stream = new MaskedStream(this.finder, beginnings);
    return stream.push(text) + stream.end();
  }

  private *array(values: readonly unknown[], beginnings: Beginnings): Generator<void, unknown[]> {
    const masked: unknown[] = [];
    for (const value of values) masked.push(yield* this.json(value, beginnings));
    return masked;
  }

  private *object(object: object, beginnings: Beginnings): Generator<void, Record<string, unknown>> {
    const entries: [string, unknown][] = [];
    for (const [key, value] of Object.entries(object)) {
      entries.push([this.short(key, beginnings), yield* this.json(value, beginnings)]);
    }
    return Object.fromEntries(entries);
  }
}

/**
 * Masks a text that comes in pieces, the same wherever it is cut. Finds that overlap are hidden as one, so that no end of
 * the one is left beside the other.
 */
class MaskedStream {
  private state: number;
  private held = '';
  /** Places in `held`, in order, apart from each other. */
  private finds: { from: number; to: number }[] = [];

  constructor(
    private readonly finder: TextFinder,
    private readonly beginnings: Beginnings,
  ) {
    this.state = finder.start;
  }

  /** What can be said of the text so far. */
  push(text: string): string {
    const before = this.held.length;
    this.held += text;
    for (let at = before; at < this.held.length; at++) {
      this.state = this.finder.next(this.state, this.held.charCodeAt(at));
      this.find(at + 1, this.lengthFound(this.beginnings === 'everywhere'));
    }
    const undecided = this.held.length - this.finder.begun(this.state);
    const last = this.finds.at(-1);
    return this.release(last && last.to > undecided ? Math.min(last.from, undecided) : undecided);
  }

  /** The rest of it. */
  end(): string {
    this.find(this.held.length, this.lengthFound(this.beginnings !== 'none'));
    return this.release(this.held.length);
  }

  private lengthFound(withBeginnings: boolean): number {
    const begun = this.finder.begun(this.state);
    return withBeginnings && begun >= LEAST_BEGINNING ? begun : this.finder.found(this.state);
  }

  private find(to: number, length: number): void {
    if (length === 0) return;
    let from = to - length;
    for (let last = this.finds.at(-1); last && last.to > from; last = this.finds.at(-1)) {
      from = Math.min(from, last.from);
      this.finds.pop();
    }
    this.finds.push({ from, to });
  }

  private release(end: number): string {
    const finds = this.finds.filter(({ to }) => to <= end);
    let at = 0;
    let text = '';
    for (const { from, to } of finds) {
      text += this.held.slice(at, from) + MASK;
      at = to;
    }
    text += this.held.slice(at, end);
    this.held = this.held.slice(end);
    this.finds = this.finds.slice(finds.length).map(({ from, to }) => ({ from: from - end, to: to - end }));
    return text;
  }
}
