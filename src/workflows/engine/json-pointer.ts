/** The pointer (RFC 6901) to a member of what another pointer leads to. */
export function pointerTo(parent: string, ...tokens: readonly (string | number)[]): string {
  return tokens.reduce<string>((path, token) => `${path}/${escaped(String(token))}`, parent);
}

/** The tokens of a pointer, unescaped; [] for the whole document. */
export function pointerTokens(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const escaped = (token: string) => token.replaceAll('~', '~0').replaceAll('/', '~1');
