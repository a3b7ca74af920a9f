import type { ASTNode } from '@marcbachmann/cel-js';
import { isList, isMapping, keysOf, typeNameOf, type CelValue } from './cel-value.js';
import { ExpressionFailure } from './expression-failure.js';
import { hasMember } from './member-access.js';
import { attempt, expectBoolean, inside, syntaxError, type Evaluate, type Place, type Scope } from './syntax-place.js';

/** Compiles a call whose arguments are not evaluated first. */
export type Macro = (node: ASTNode, receiver: ASTNode, args: readonly ASTNode[], place: Place) => Evaluate;

export const globalMacros: Readonly<Record<string, Macro>> = {
  'has/1': (node, _receiver, [path], place) => {
    if (path?.op !== '.')
      throw syntaxError(node, 'has() takes a path that ends in a field, for example has(input.name).');
    const [target, field] = path.args;
    const read = place.whole.compile(target, place);
    return (scope) => hasMember(read(scope), field);
  },
};

/** Over a list, or over the keys of a map. */
export const listMacros: Readonly<Record<string, Macro>> = {
  'map/2': (_node, receiver, [variable, transform], place) =>
    mapItems(receiver, variable!, undefined, transform!, place),
  'map/3': (_node, receiver, [variable, test, transform], place) =>
    mapItems(receiver, variable!, test, transform!, place),
  'filter/2': (_node, receiver, [variable, test], place) => mapItems(receiver, variable!, test, variable!, place),
  'all/2': (_node, receiver, [variable, test], place) => quantify(false, receiver, variable!, test!, place),
  'exists/2': (_node, receiver, [variable, test], place) => quantify(true, receiver, variable!, test!, place),
  'exists_one/2': (_node, receiver, [variable, test], place) => {
    const selected = mapItems(receiver, variable!, test, variable!, place);
    return (scope) => (selected(scope) as readonly CelValue[]).length === 1;
  },
};

/** `cel.bind(variable, value, expression)`: gives a value a name, evaluating it once. */
export function bindVariable([variable, value, expression]: readonly ASTNode[], place: Place): Evaluate {
  const readValue = place.whole.compile(value!, place);
  const { place: innerPlace, slot } = inside(place, variable!, false);
  const readExpression = place.whole.compile(expression!, innerPlace);
  return (scope) => {
    scope.locals[slot] = readValue(scope);
    return readExpression(scope);
  };
}

function mapItems(
  receiver: ASTNode,
  variable: ASTNode,
  test: ASTNode | undefined,
  transform: ASTNode,
  place: Place,
): Evaluate {
  const { readItems, slot, innerPlace } = loopOver(receiver, variable, place);
  const isWanted = test && place.whole.compile(test, innerPlace);
  const readResult = place.whole.compile(transform, innerPlace);
  return (scope) => {
    const results: CelValue[] = [];
    for (const item of readItems(scope)) {
      scope.locals[slot] = item;
      if (!isWanted || expectBoolean(isWanted(scope), 'The condition of the macro')) results.push(readResult(scope));
    }
    return results;
  };
}

/** `exists` (decided by true) and `all` (by false): one item that decides outweighs failures on others. */
function quantify(decisive: boolean, receiver: ASTNode, variable: ASTNode, test: ASTNode, place: Place): Evaluate {
  const { readItems, slot, innerPlace } = loopOver(receiver, variable, place);
  const holds = place.whole.compile(test, innerPlace);
  return (scope) => {
    let failure: ExpressionFailure | undefined;
    for (const item of readItems(scope)) {
      scope.locals[slot] = item;
      const answer = attempt(() => expectBoolean(holds(scope), 'The condition of the macro'), scope.budget);
      if (answer === decisive) return decisive;
      if (answer instanceof ExpressionFailure) failure ??= answer;
    }
    if (failure) throw failure;
    return !decisive;
  };
}

function loopOver(receiver: ASTNode, variable: ASTNode, place: Place) {
  const read = place.whole.compile(receiver, place);
  const { place: innerPlace, slot } = inside(place, variable, true);
  return { readItems: (scope: Scope) => itemsOf(read(scope), scope), slot, innerPlace };
}

function itemsOf(value: CelValue, { budget }: Scope): readonly CelValue[] {
  if (!isList(value) && !isMapping(value)) {
    throw new ExpressionFailure('WRONG_TYPE', `Only a list or a map has items, got ${typeNameOf(value)}.`);
  }
  const items = isList(value) ? value : keysOf(value);
  budget.walkList(items.length);
  return items;
}
