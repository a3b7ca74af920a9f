import { DomainError } from '../platform/errors/domain-error.js';
import { checkNewPassword, normalizePassword } from './password-rules.js';

const ada = { email: 'ada.lovelace@analytical.example', name: 'Ada Lovelace' };

function refusalOf(password: string): string | undefined {
  try {
    checkNewPassword(password, ada);
    return undefined;
  } catch (error) {
    return (error as DomainError).errors?.[0]?.code;
  }
}

describe('a new password', () => {
  it.each([
    ['correct horse battery staple'],
    ['never eat yellow snow'],
    ['Bäckerei am Münsterplatz'],
    ['私は毎朝早く起きて湖の周りを走る'],
    ['xT9-vKq2.Lm7_Wz4'],
    ['  leading and trailing  '],
    ['ada likes holdpoint and quiet rivers'],
  ])('may be "%s"', (password) => {
    expect(refusalOf(password)).toBeUndefined();
  });

  it.each([
    ['fourteen chars', 'PASSWORD_TOO_SHORT'],
    ['🐎🐎🔋🧷🦀🌵🚲🎈', 'PASSWORD_TOO_SHORT'], // 8 characters in 16 UTF-16 units
    [`${'long '.repeat(204)}12345`, 'PASSWORD_TOO_LONG'],
    ['ada.lovelace@analytical.example', 'PASSWORD_PREDICTABLE'],
    ['AdaLovelace1815!', 'PASSWORD_PREDICTABLE'],
    ['holdpointholdpoint', 'PASSWORD_PREDICTABLE'],
    ['H0ldp0int-2026-H0ldp0int', 'PASSWORD_PREDICTABLE'],
    ['ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ', 'PASSWORD_PREDICTABLE'], // full-width letters
    ['iloveyouiloveyou1', 'PASSWORD_PREDICTABLE'],
    ['qwertyuiop123456', 'PASSWORD_PREDICTABLE'],
    ['abcabcabcabcabcabc', 'PASSWORD_PREDICTABLE'],
    ['               ', 'PASSWORD_PREDICTABLE'],
  ])('may not be "%s": %s', (password, code) => {
    expect(refusalOf(password)).toBe(code);
  });

  it('may not be any of some thousand common words put together', () => {
    const words = [
      'password',
      'welcome',
      'letmein',
      'admin',
      'dragon',
      'sunshine',
      'iloveyou',
      'monkey',
      'qwerty',
      'football',
    ];
    const tails = [
      '',
      '1',
      '123',
      '1234',
      '12345',
      '!',
      '!!',
      '2024',
      '2025',
      '2026',
      '@123',
      '#1',
      '007',
      '123456',
      '321',
      '.',
    ];
    const tried = words.flatMap((one) =>
      words.flatMap((two) => tails.map((tail) => `${one}${two}${tail}${tail}${two}`)),
    );
    const long = tried.filter((password) => password.length >= 15);
    expect(long.length).toBeGreaterThan(1_500);
    expect(long.filter((password) => refusalOf(password) === undefined)).toEqual([]);
  });

  it('is refused with the place and the reason', () => {
    expect(() => checkNewPassword('short', ada)).toThrow(
      expect.objectContaining({
        kind: 'invalid',
        code: 'PASSWORD_REFUSED',
        errors: [{ pointer: '/password', code: 'PASSWORD_TOO_SHORT', message: expect.any(String) }],
      }),
    );
  });
});

it('one password has one form, however a keyboard composes it', () => {
  expect(normalizePassword('cafe\u0301 \u212B')).toBe(normalizePassword('caf\u00E9 \u00C5'));
});
