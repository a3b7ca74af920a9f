/*
 * Runs one piece of untrusted JavaScript inside a prepared sandbox and reports what became of it, as
 * docs/runner-protocol.md has it. Started by ../python/launcher.py.
 *
 * The kernel guards the host, not this file: the code may change any object here, and harms nobody but its author. What
 * is used after it ran is held from before, so that code which replaces a global still gets its result.
 */
'use strict';

const { Buffer } = require('node:buffer');
const { closeSync, readFileSync, rmSync, writeSync } = require('node:fs');
const { createRequire, syncBuiltinESMExports } = require('node:module');
const { Writable } = require('node:stream');
const { inspect, types } = require('node:util');
const { Script, constants } = require('node:vm');
const workers = require('node:worker_threads');
const {
  Description,
  LARGEST_RESULT,
  MOST_ITEMS,
  Unfit,
  cut,
  join,
  safeText,
  toStrictJson,
  typeName,
} = require('./values.cjs');

const { apply, defineProperty, getOwnPropertyDescriptor, ownKeys } = Reflect;
const { parse, stringify } = JSON;
const { exec } = RegExp.prototype;
const { replace } = String.prototype;
const { then } = Promise.prototype;
const { isNativeError } = types;
const { reallyExit, resourceUsage } = process;
const resolvePromise = Promise.resolve.bind(Promise);
const toBytes = Buffer.from;
const turnLoop = setImmediate;
const global = globalThis;

const JOB_CHANNEL = 3;
const RESULT_CHANNEL = 4;
/** What V8 would reserve for the machine code of each thread, 512 MiB, counts against the limit of memory. */
const WORKER_CODE_RANGE_MB = 16;
const OUT_OF_MEMORY =
  /^(?:Array buffer allocation failed|WebAssembly\.\w+\(\): could not allocate memory|.*: Out of memory$)/;
const OUT_OF_MEMORY_CODES = /^(?:ENOMEM|ERR_WORKER_OUT_OF_MEMORY|ERR_MEMORY_ALLOCATION_FAILED)$/;
/** A line of a stack, and what begins after the last one. */
const FOREIGN_FRAME = /\n {4}at [^\n]*(?:node:|\/tmp\/\.runner)[^\n]*?( \{)?(?=\n|$)/g;
const CUT_LOCALS = '{"...":{"$type":"truncated","repr":"too large to hand over"}}';

const ABORTED = { outcome: 'failed', type: 'Aborted', message: 'The code called process.abort().', line: null };
const EXIT_WHILE_READ = {
  outcome: 'failed',
  type: 'ProcessExit',
  message: 'The code ended while its result was read.',
  line: null,
};

const job = receiveJob();
/** Where the text is named in a stack. */
const spelledName = job.name.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
const placeOfText = new RegExp(`^${spelledName}:(\\d+)`);
const frameOfText = new RegExp(String.raw`\n {4}at [^\n]*${spelledName}:(\d+):\d+`);
const inspector = job.capture_locals ? require('node:inspector') : null;
/** What was global before any variable. */
const alreadyGlobal = { __proto__: null };
/** What went wrong first: an outcome with its error. */
let failure = null;
/** The settled value of the result variable, when that is a promise. */
let promised = null;
let isConcluding = false;

main();

function main() {
  useOwnStreams();
  tameProcess();
  const program = compile();
  defineVariables();
  followEvents();
  program.runInThisContext({ displayErrors: false });
}

function receiveJob() {
  const text = readFileSync(JOB_CHANNEL, 'utf8');
  closeSync(JOB_CHANNEL);
  rmSync(__dirname, { recursive: true });
  for (const path of Object.keys(require.cache)) delete require.cache[path];
  process.argv.length = 1;
  return parse(text);
}

/** Node's own streams ask the channels, which are sockets, for their names, and at an exit lose what is not yet sent. */
function useOwnStreams() {
  for (const [name, descriptor] of Object.entries({ stdout: 1, stderr: 2 })) {
    const write = (chunk, _, done) => {
      writeAll(descriptor, chunk);
      done();
    };
    const value = Object.assign(new Writable({ write }), { fd: descriptor });
    defineProperty(process, name, { value, configurable: true, enumerable: true, writable: true });
  }
}

/** The channels block, so this waits for a slow reader. Nobody reads a channel that fails. */
function writeAll(descriptor, bytes) {
  try {
    for (let sent = 0; sent < bytes.length;) sent += writeSync(descriptor, bytes, sent);
  } catch {
    return;
  }
}

/** Threads that fit into the limit, and no process that dies where an error would do. */
function tameProcess() {
  const { Worker } = workers;
  workers.Worker = class extends Worker {
    static name = 'Worker';
    constructor(filename, options = {}) {
      const resourceLimits = { codeRangeSizeMb: WORKER_CODE_RANGE_MB, ...options.resourceLimits };
      super(filename, { ...options, resourceLimits });
    }
  };
  syncBuiltinESMExports();
  process.execve = () => {
    throw Object.assign(new Error('EPERM: operation not permitted, execve'), { code: 'EPERM', syscall: 'execve' });
  };
  process.reallyExit = (code = 0) => conclude(code);
  process.abort = () => fail(ABORTED);
  defineProperty(global, 'require', { value: createRequire('/tmp/code.js'), configurable: true, writable: true });
}

/** The only source of does_not_compile: nothing of the code has run yet. */
function compile() {
  try {
    return new Script(job.code, {
      filename: job.name,
      importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    });
  } catch (error) {
    show(error);
    const line = placeOfText.exec(error.stack)?.[1];
    return leave({ ...describeError(error, 'does_not_compile'), line: line === undefined ? null : +line }, '', '');
  }
}

/** Configurable, so that the code may declare the same name. */
function defineVariables() {
  for (const name of Object.getOwnPropertyNames(global)) alreadyGlobal[name] = true;
  for (const [name, value] of [...Object.entries(job.globals), ...Object.entries(job.locals)]) {
    defineProperty(global, name, { value, configurable: true, enumerable: true, writable: true });
  }
}

/**
 * Everything that ends a Node process is an event of `process`: an error nobody caught, an empty event loop, an exit. They
 * are seen here after the code's own listeners, which the code may remove, add and replace as it likes.
 */
function followEvents() {
  let { emit } = process;
  const follow = function (event, detail) {
    const heard = callListeners(emit, arguments);
    if (event === 'uncaughtException' && !heard) failWith(detail);
    if (event === 'beforeExit') awaitResult();
    if (event === 'exit') conclude(detail);
    return heard;
  };
  const set = (replacement) => {
    emit = replacement;
  };
  defineProperty(process, 'emit', { get: () => follow, set, configurable: false });
}

function callListeners(emit, args) {
  try {
    return apply(emit, process, args);
  } catch (error) {
    if (args[0] === 'exit' || args[0] === 'uncaughtException') return failWith(error);
    throw error;
  }
}

/** A promise that is rejected makes an uncaught exception; one that nothing can settle is found at the exit. */
function awaitResult() {
  if (promised || job.result_variable === null) return;
  try {
    const value = readVariable(job.result_variable);
    if (typeof value?.then !== 'function') return;
    promised = { settled: false, value: undefined };
    const settle = (settled) => {
      promised = { settled: true, value: settled };
    };
    void apply(then, resolvePromise(value), [settle]);
    turnLoop(() => {});
  } catch (error) {
    failWith(error);
  }
}

function failWith(error) {
  show(error);
  fail(describeFailure(error));
}

/** Keeps the first failure, and ends the process as process.exit(1) would: its listeners hear of it. */
function fail(description) {
  const isFirst = failure === null;
  failure ??= description;
  if (isFirst) process.emit('exit', 1);
  conclude(1);
}

/** The end: never returns. What is read may be code again, and end the process once more. */
function conclude(code) {
  if (isConcluding) leave(failure ?? EXIT_WHILE_READ, '', '');
  isConcluding = true;
  if (failure === null && code !== 0) {
    failure = { outcome: 'failed', type: 'ProcessExit', message: `The code ended with exit code ${code}.`, line: null };
  }
  let output = '';
  let locals = '';
  try {
    if (failure === null && job.result_variable !== null) output = toStrictJson(readResult(), job.result_variable);
    if (inspector && failure?.outcome !== 'out_of_memory') locals = describeVariables();
  } catch (error) {
    failure = error instanceof Unfit ? { outcome: 'failed', line: null, ...error } : describeFailure(error);
  }
  leave(failure ?? { outcome: 'succeeded', type: null, message: null, line: null }, output, locals);
}

function leave(result, output, locals) {
  reallyExit(sendResult(result, output, locals) ? 0 : 1);
}

function describeFailure(error) {
  return describeError(error, isOutOfMemory(error) ? 'out_of_memory' : 'failed');
}

function readResult() {
  if (promised === null) return readVariable(job.result_variable) ?? null;
  if (promised.settled) return promised.value ?? null;
  throw new Unfit('OutputNotJson', `${job.result_variable} is a promise that nothing will settle.`);
}

/** Also one that is declared by let, const or class, which is a property of nothing. */
function readVariable(name) {
  return new Script(`typeof ${name} === 'undefined' ? undefined : ${name}`).runInThisContext();
}

/** Every variable the code left, but not the given ones that it left alone. JSON text. */
function describeVariables() {
  const description = new Description();
  const described = { __proto__: null };
  let text = '';
  let count = 0;
  const names = variableNames();
  for (let index = 0; index < names.length && count < MOST_ITEMS && !description.isSpent(); index++) {
    const name = names[index];
    if (described[name]) continue;
    described[name] = true;
    const variable = lookUp(name, index < names.lexical);
    if (variable === null) continue;
    text = join(text, `${stringify(cut(name, 200))}:${description.describeMember(variable, 'variable', -1)}`);
    count += 1;
  }
  return `{${text}}`;
}

/** The first `lexical` of them are declared by let, const or class. */
function variableNames() {
  const names = { __proto__: null, length: 0, lexical: 0 };
  listLexicals((found) => {
    for (; names.lexical < found.length; names.lexical++) names[names.length++] = found[names.lexical];
  });
  const keys = ownKeys(global);
  for (let index = 0; index < keys.length; index++) {
    if (typeof keys[index] === 'string' && !alreadyGlobal[keys[index]]) names[names.length++] = keys[index];
  }
  return names;
}

/** Only the inspector knows them, and it needs methods of prototypes that the code may have removed. */
function listLexicals(hear) {
  try {
    const session = new inspector.Session();
    session.connect();
    session.post('Runtime.globalLexicalScopeNames', (_, answer) => hear(answer.names));
  } catch {
    return;
  }
}

/** An object whose one member is the variable, or null for what was given or never got a value. */
function lookUp(name, isLexical) {
  const found = { __proto__: null };
  if (!isLexical) {
    const variable = getOwnPropertyDescriptor(global, name);
    const given = getOwnPropertyDescriptor(job.globals, name);
    if (given && given.value === variable.value) return null;
    return defineProperty(found, 'variable', variable) ? found : null;
  }
  try {
    found.variable = new Script(name).runInThisContext();
    return found;
  } catch {
    return null; // The code ended before its declaration.
  }
}

function isOutOfMemory(error) {
  const code = safeText(error, ({ code: named }) => named);
  const message = safeText(error, ({ message: said }) => said);
  return apply(exec, OUT_OF_MEMORY_CODES, [code]) !== null || apply(exec, OUT_OF_MEMORY, [message]) !== null;
}

function describeError(error, outcome) {
  if (!isNativeError(error)) return { outcome, type: typeName(error), message: safeText(error, showValue), line: null };
  return {
    outcome,
    type: cut(nameOf(error), 200),
    message: safeText(error, ({ message }) => `${message}`),
    line: findLine(error),
  };
}

function showValue(value) {
  return typeof value === 'string' ? value : inspect(value, { depth: 1 });
}

/** Classes of errors seldom set a name: theirs is better than Error. */
function nameOf(error) {
  const name = safeText(error, (named) => named.name);
  return name === 'Error' ? safeText(error, (named) => named.constructor.name) : name;
}

/** The deepest line of the submitted text that the error passed through. */
function findLine(error) {
  const stack = safeText(error, (named) => named.stack, Infinity);
  const line = apply(exec, frameOfText, [stack])?.[1];
  return line === undefined ? null : +line;
}

/** What Node itself would print, without frames that are not the code's. */
function show(error) {
  const text = safeText(error, (shown) => `Uncaught ${inspect(shown)}\n`, LARGEST_RESULT);
  writeAll(2, toBytes(safeText(text, () => apply(replace, text, [FOREIGN_FRAME, '$1']), LARGEST_RESULT)));
}

/** One frame; whether it says success. When it is too large the local variables go first: a result cannot be cut. */
function sendResult({ outcome, type, message, line }, output, locals) {
  const error = `"error_type":${stringify(type)},"error_message":${stringify(message)},"error_line":${line}`;
  const head = `{"outcome":${stringify(outcome)},${error},"max_resident_kb":${resourceUsage().maxRSS}`;
  const withOutput = output === '' ? head : `${head},"output":${output}`;
  if (sendFrame(`${withOutput}${locals === '' ? '' : `,"locals":${locals}`}}`)) return outcome === 'succeeded';
  if (locals !== '' && sendFrame(`${withOutput},"locals":${CUT_LOCALS}}`)) return outcome === 'succeeded';
  const tooLarge = Unfit.tooLarge();
  return sendResult({ outcome: 'failed', line: null, ...tooLarge }, '', '');
}

/** Whether the frame fitted. */
function sendFrame(text) {
  const payload = toBytes(text);
  if (payload.length > LARGEST_RESULT) return false;
  const length = toBytes([payload.length, payload.length >> 8, payload.length >> 16, payload.length >> 24]);
  writeAll(RESULT_CHANNEL, length);
  writeAll(RESULT_CHANNEL, payload);
  return true;
}
