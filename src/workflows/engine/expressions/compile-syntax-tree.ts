import type { ASTNode } from '@marcbachmann/cel-js';
import { globalFunctions, methods } from './cel-functions.js';
import { areEqual, calculate, contains, isInOrder, negated } from './cel-operators.js';
import { asKey, CelType, celTypeNames, typeNameOf, type CelKey, type CelValue } from './cel-value.js';
import { ExpressionFailure, ExpressionSyntaxError } from './expression-failure.js';
import { MAX_EXPRESSION_DEPTH } from './expression-limits.js';
import { expectText, type CelFunction } from './function-arguments.js';
import { matchesPattern } from './linear-regex.js';
import { bindVariable, globalMacros, listMacros, type Macro } from './macros.js';
import { memberOf } from './member-access.js';
import {
  attempt,
  expectBoolean,
  syntaxError,
  type Evaluate,
  type ExpressionContext,
  type Place,
  type StepReference,
  type WholeExpression,
} from './syntax-place.js';
import type { WorkBudget } from './work-budget.js';

/**
 * Turns the tree that cel-js parsed into closures of our own. cel-js's evaluator is not used: it has no bound on
 * time or memory (`cel.bind` can double a list a hundred times), runs `matches` on backtracking JavaScript regexes,
 * and keeps a type declaration for ever for each new shape of data it compares.
 * @throws ExpressionSyntaxError
 */
export function compileSyntaxTree(tree: ASTNode, context: ExpressionContext) {
  const whole: WholeExpression = { compile, context, stepReferences: [], slots: 0 };
  const evaluate = compile(tree, { variables: new Map(), depth: 0, macroNesting: 0, whole });
  return { evaluate, stepReferences: whole.stepReferences as readonly StepReference[] };
}

function compile(node: ASTNode, outer: Place): Evaluate {
  if (outer.depth >= MAX_EXPRESSION_DEPTH) throw tooDeep(node);
  const place = { ...outer, depth: outer.depth + 1 };
  switch (node.op) {
    case 'value':
      return compileLiteral(node, node.args);
    case 'id':
      return compileName(node, node.args, place);
    case '.':
      return compileMember(node.args[0], node.args[1], node, place);
    case '[]':
      return compileIndex(node.args[0], node.args[1], place);
    case 'call':
      return compileCall(node, node.args[0], node.args[1], place);
    case 'rcall':
      return compileMethodCall(node, node.args[0], node.args[1], node.args[2], place);
    case 'list':
      return compileList(node.args, place);
    case 'map':
      return compileMap(node.args, place);
    case '?:':
      return compileChoice(node.args, place);
    case '||':
      return compileLogic(true, node.args, place);
    case '&&':
      return compileLogic(false, node.args, place);
    case '!_':
      return compileNot(node.args, place);
    case '-_':
      return compileMinus(node.args, place);
    case '.?':
    case '[?]':
      throw new ExpressionSyntaxError(
        'EXPRESSION_INVALID',
        'Optional access is not supported; use has(…).',
        node.start,
      );
    default:
      return compileBinary(node.op, node.args, place);
  }
}

const tooDeep = (node: ASTNode) =>
  syntaxError(node, `The expression is nested more than ${MAX_EXPRESSION_DEPTH} deep; split it into several steps.`);

function compileLiteral(node: ASTNode, value: unknown): Evaluate {
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    throw syntaxError(node, 'Unsigned integers are not supported; leave out the u.');
  }
  if (typeof value === 'bigint' && value >= 2n ** 63n) {
    throw syntaxError(
      node,
      `The integer ${value} does not fit into 64 bits; write it as a double (${value}.0) or text.`,
    );
  }
  const literal = value as CelValue;
  return () => literal;
}

function compileName(node: ASTNode, name: string, place: Place): Evaluate {
  const slot = place.variables.get(name);
  if (slot !== undefined) return ({ locals }) => locals[slot]!;
  if (place.whole.context.rootNames.has(name)) return ({ names }) => names[name]!;
  const type = celTypeNames.find((candidate) => candidate === name);
  if (type === undefined) throw unknownName(node, name, place);
  const value = new CelType(type);
  return () => value;
}

function unknownName(node: ASTNode, name: string, place: Place): ExpressionSyntaxError {
  const known = [...place.whole.context.rootNames, ...place.variables.keys()].join(', ');
  const message = `There is no ${JSON.stringify(name)} here; an expression knows ${known}.`;
  return new ExpressionSyntaxError('UNKNOWN_NAME', message, node.start);
}

function compileMember(target: ASTNode, name: string, node: ASTNode, place: Place): Evaluate {
  noteStepReference(target, name, node, place);
  const read = compile(target, place);
  return (scope) => memberOf(read(scope), name, scope.budget);
}

function compileIndex(target: ASTNode, index: ASTNode, place: Place): Evaluate {
  if (index.op === 'value' && typeof index.args === 'string') noteStepReference(target, index.args, index, place);
  const read = compile(target, place);
  const readIndex = compile(index, place);
  return (scope) => memberOf(read(scope), readIndex(scope), scope.budget);
}

function noteStepReference(target: ASTNode, stepId: string, at: ASTNode, place: Place): void {
  if (target.op !== 'id' || target.args !== 'steps' || place.variables.has('steps')) return;
  place.whole.stepReferences.push({ stepId, position: at.pos });
}

function compileCall(node: ASTNode, name: string, args: ASTNode[], place: Place): Evaluate {
  const macro = own(globalMacros, `${name}/${args.length}`);
  if (macro) return macro(node, node, args, place);
  const apply = own(globalFunctions, `${name}/${args.length}`);
  if (!apply) throw unknownFunction(node, name, args.length, globalFunctions, methods);
  return compileApplication(apply, args, place);
}

function compileMethodCall(node: ASTNode, name: string, receiver: ASTNode, args: ASTNode[], place: Place): Evaluate {
  const key = `${name}/${args.length}`;
  if (receiver.op === 'id' && receiver.args === 'cel' && key === 'bind/3') return bindVariable(args, place);
  const macro: Macro | undefined = own(listMacros, key);
  if (macro) return macro(node, receiver, args, place);
  const [pattern] = args;
  if (key === 'matches/1' && pattern?.op === 'value') return compileFixedMatch(receiver, pattern, place);
  const apply = own(methods, key);
  if (!apply) throw unknownFunction(node, name, args.length, methods, globalFunctions);
  return compileApplication(apply, [receiver, ...args], place);
}

function compileApplication(apply: CelFunction, args: readonly ASTNode[], place: Place): Evaluate {
  const readers = args.map((arg) => compile(arg, place));
  return (scope) => {
    scope.budget.spend(1);
    return apply(
      readers.map((read) => read(scope)),
      scope.budget,
    );
  };
}

/** A pattern written in the expression is compiled, and refused, when the definition is saved. */
function compileFixedMatch(receiver: ASTNode, pattern: ASTNode, place: Place): Evaluate {
  const read = compile(receiver, place);
  const regex = fixedPattern(pattern, place);
  return (scope) => {
    const text = read(scope);
    if (typeof text === 'string') return matchesPattern(text, regex, scope.budget);
    throw new ExpressionFailure('WRONG_TYPE', `matches() takes text, got ${typeNameOf(text)}.`);
  };
}

function fixedPattern(pattern: ASTNode, place: Place) {
  try {
    return place.whole.context.patterns.compile(expectText('matches', pattern.args as CelValue));
  } catch (error) {
    if (error instanceof ExpressionFailure) throw syntaxError(pattern, error.explanation);
    throw error;
  }
}

type Named = Readonly<Record<string, unknown>>;

function unknownFunction(node: ASTNode, name: string, count: number, here: Named, elsewhere: Named) {
  const counts = Object.keys(here).filter((key) => key.startsWith(`${name}/`));
  if (counts.length > 0) {
    const expected = counts.map((key) => key.slice(name.length + 1)).join(' or ');
    return syntaxError(node, `${name}() takes ${expected} arguments, got ${count}.`);
  }
  const isElsewhere = Object.keys(elsewhere).some((key) => key.startsWith(`${name}/`));
  const form = elsewhere === methods ? `value.${name}(…)` : `${name}(value)`;
  return syntaxError(node, `There is no function ${name}()${isElsewhere ? ` in this form; write ${form}` : ''}.`);
}

const own = <T>(table: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

function compileList(items: readonly ASTNode[], place: Place): Evaluate {
  const readers = items.map((item) => compile(item, place));
  return (scope) => {
    scope.budget.walkList(readers.length);
    return readers.map((read) => read(scope));
  };
}

function compileMap(entries: readonly [ASTNode, ASTNode][], place: Place): Evaluate {
  const readers = entries.map(([key, value]) => [compile(key, place), compile(value, place)] as const);
  return (scope) => {
    scope.budget.walkList(readers.length);
    return new Map(readers.map(([readKey, readValue]) => [mapKey(readKey(scope)), readValue(scope)]));
  };
}

function mapKey(value: CelValue): CelKey {
  const key = asKey(value);
  if (key !== undefined) return key;
  throw new ExpressionFailure('WRONG_TYPE', `The key of a map must be text, got ${typeNameOf(value)}.`);
}

function compileChoice([condition, yes, no]: readonly ASTNode[], place: Place): Evaluate {
  const test = compile(condition!, place);
  const readYes = compile(yes!, place);
  const readNo = compile(no!, place);
  return (scope) => (expectBoolean(test(scope), 'The condition before ?') ? readYes : readNo)(scope);
}

/** `||` (decided by true) and `&&` (by false): a side that decides outweighs a failure of the other side. */
function compileLogic(decisive: boolean, [left, right]: readonly ASTNode[], place: Place): Evaluate {
  const what = `Each side of ${decisive ? '||' : '&&'}`;
  const readLeft = compile(left!, place);
  const readRight = compile(right!, place);
  return (scope) => {
    const first = attempt(() => expectBoolean(readLeft(scope), what), scope.budget);
    if (first === decisive) return decisive;
    const second = expectBoolean(readRight(scope), what);
    if (first instanceof ExpressionFailure && second !== decisive) throw first;
    return second;
  };
}

function compileNot(operand: ASTNode, place: Place): Evaluate {
  const read = compile(operand, place);
  return (scope) => !expectBoolean(read(scope), 'The value after !');
}

function compileMinus(operand: ASTNode, place: Place): Evaluate {
  if (operand.op === 'value' && operand.args === 2n ** 63n) return () => -(2n ** 63n);
  const read = compile(operand, place);
  return (scope) => negated(read(scope));
}

type BinaryOperator = Extract<ASTNode, { args: [ASTNode, ASTNode] }>['op'];

function compileBinary(operator: BinaryOperator, [left, right]: readonly ASTNode[], place: Place): Evaluate {
  const readLeft = compile(left!, place);
  const readRight = compile(right!, place);
  const apply = binaryOperation(operator);
  return (scope) => {
    scope.budget.spend(1);
    return apply(readLeft(scope), readRight(scope), scope.budget);
  };
}

type BinaryOperation = (left: CelValue, right: CelValue, budget: WorkBudget) => CelValue;

function binaryOperation(operator: BinaryOperator): BinaryOperation {
  switch (operator) {
    case '==':
      return areEqual;
    case '!=':
      return (left, right, budget) => !areEqual(left, right, budget);
    case 'in':
      return (left, right, budget) => contains(right, left, budget);
    case '<':
    case '<=':
    case '>':
    case '>=':
      return (left, right, budget) => isInOrder(operator, left, right, budget);
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
      return (left, right, budget) => calculate(operator, left, right, budget);
    default:
      throw new Error(`The parser made an operator the evaluator does not know: ${operator}`);
  }
}
