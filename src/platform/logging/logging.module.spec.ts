import { withoutSecrets } from './logging.module.js';

describe('addresses in the log', () => {
  it.each([
    ['/api/workflows?cursor=secret', '/api/workflows'],
    ['/decide/payload.signature', '/decide/[token]'],
    ['/Decide/payload.signature/x?y=z', '/Decide/[token]'],
    ['/api/checkpoints/decide', '/api/checkpoints/decide'],
    ['/', '/'],
  ])('%s is written as %s', (url, written) => {
    expect(withoutSecrets(url)).toBe(written);
  });
});
