import { loadSettings } from '../../config/load-settings.js';
import { judgeTarget } from './judge-target.js';

const NOTHING = loadSettings({});

async function judge(url: string, addresses: readonly string[] = [], settings = NOTHING): Promise<string> {
  const asked: string[] = [];
  const outcome = await judgeTarget(new URL(url), settings, (hostname) => {
    asked.push(hostname);
    return Promise.resolve(addresses);
  });
  return outcome.ok ? `open: ${outcome.addresses.join(' ')}` : outcome.code;
}

describe('judging where a URL leads', () => {
  // Each is an address already when the URL is read, so no lookup would ever see it.
  it.each([
    ['http://127.0.0.1/'],
    ['http://127.0.0.1:5432/'],
    ['http://127.1/'],
    ['http://127.0.0.1./'],
    ['http://2130706433/'],
    ['http://017700000001/'],
    ['http://0x7f000001/'],
    ['http://0x7f.1/'],
    ['http://0177.0.0.01/'],
    ['http://%31%32%37.0.0.1/'],
    ['http://①②⑦.⓪.⓪.①/'],
    ['http://127。0。0。1/'],
    ['http:\\\\127.0.0.1\\'],
    ['http:127.0.0.1'],
    [' http://127.0.0.1\t'],
    ['http://12\n7.0.0.1/'],
    ['http://0/'],
    ['http://0.0.0.0/'],
    ['http://10.0.0.1/'],
    ['http://0300.0250.0.1/'],
    ['http://3232235521/'],
    ['http://172.16.0.1/'],
    ['http://169.254.169.254/latest/meta-data/'],
    ['http://0xa9fea9fe/'],
    ['http://2852039166/'],
    ['http://0251.0376.0251.0376/'],
    ['http://100.100.100.200/'],
    ['http://[::1]/'],
    ['http://[::]/'],
    ['http://[0:0:0:0:0:0:0:1]/'],
    ['http://[::ffff:127.0.0.1]/'],
    ['http://[::ffff:7f00:1]/'],
    ['http://[::127.0.0.1]/'],
    ['http://[::ffff:169.254.169.254]/'],
    ['http://[64:ff9b::a9fe:a9fe]/'],
    ['http://[64:ff9b::127.0.0.1]/'],
    ['http://[2002:7f00:1::]/'],
    ['http://[fe80::1]/'],
    ['http://[fc00::1]/'],
    ['http://[fd00:ec2::254]/'],
    ['http://[ff02::1]/'],
  ])('refuses %j without looking anything up', async (url) => {
    expect(await judge(url, ['8.8.8.8'])).toBe('HTTP_ADDRESS_REFUSED');
  });

  it.each([
    ['localhost', '127.0.0.1'],
    ['localhost.', '::1'],
    ['rebound.example', '192.168.1.1'],
    ['metadata.google.internal', '169.254.169.254'],
    ['mapped.example', '::ffff:10.0.0.1'],
    ['a.127.0.0.1.nip.example', '127.0.0.1'],
    ['zoned.example', 'fe80::1%eth0'],
    ['rubbish.example', 'not an address'],
  ])('refuses %s, which leads to %s', async (host, address) => {
    expect(await judge(`https://${host}/`, [address])).toBe('HTTP_ADDRESS_REFUSED');
  });

  it('lets public addresses pass, exactly those that were found', async () => {
    expect(await judge('https://api.example/', ['93.184.215.14', '2606:2800:21f::1'])).toBe(
      'open: 93.184.215.14 2606:2800:21f::1',
    );
    expect(await judge('https://[2606:2800:21f::1]/')).toBe('open: 2606:2800:21f::1');
  });

  it.each([[['8.8.8.8', '127.0.0.1']], [['127.0.0.1', '8.8.8.8']], [['8.8.8.8', '169.254.169.254']]])(
    'refuses a name as a whole for one bad address: %j',
    async (addresses) => {
      expect(await judge('http://mixed.example/', addresses)).toBe('HTTP_ADDRESS_REFUSED');
    },
  );

  it('tells apart a name without an address and a lookup that fails from no other thing', async () => {
    const failing = () => Promise.reject(new Error('getaddrinfo ENOTFOUND'));
    expect(await judge('http://nowhere.example/', [])).toBe('HTTP_HOST_UNKNOWN');
    expect(await judgeTarget(new URL('http://nowhere.example/'), NOTHING, failing)).toMatchObject({
      code: 'HTTP_HOST_UNKNOWN',
      retryable: true,
    });
  });

  it.each([
    ['crm.internal', 'http://crm.internal/', true],
    ['crm.internal', 'https://CRM.internal.:8443/', true],
    ['crm.internal', 'http://a.crm.internal/', false],
    ['crm.internal', 'http://crm.internal.example/', false],
    ['crm.internal:443', 'https://crm.internal/', true],
    ['crm.internal:443', 'http://crm.internal/', false],
    ['*.internal', 'http://crm.internal/', true],
    ['*.internal', 'http://a.b.internal/', true],
    ['*.internal', 'http://internal/', false],
    ['*.internal', 'http://evilinternal/', false],
    ['*.internal:8080', 'http://crm.internal:8080/', true],
    ['*.internal:8080', 'http://crm.internal/', false],
    ['10.0.0.1:80', 'http://10.0.0.1/', true],
    ['10.0.0.1:80', 'http://0x0a.1/', true],
    ['10.0.0.1:80', 'http://10.0.0.1:81/', false],
    ['[::1]', 'http://[::1]:3000/', true],
  ])('with OUTBOUND_ALLOW_HOSTS=%s opens %s: %s', async (entry, url, opens) => {
    const settings = loadSettings({ OUTBOUND_ALLOW_HOSTS: entry });
    const expected = opens ? /^open: / : /^HTTP_ADDRESS_REFUSED$/;
    expect(await judge(url, ['10.0.0.1'], settings)).toMatch(expected);
  });

  it('opens no metadata address, whatever is allowed', async () => {
    const settings = loadSettings({
      OUTBOUND_ALLOW_HOSTS: 'metadata.internal,169.254.169.254',
      OUTBOUND_ALLOW_CIDRS: '0.0.0.0/0,::/0',
    });
    expect(await judge('http://metadata.internal/', ['169.254.169.254'], settings)).toBe('HTTP_ADDRESS_REFUSED');
    expect(await judge('http://metadata.internal/', ['fd00:ec2::254'], settings)).toBe('HTTP_ADDRESS_REFUSED');
    expect(await judge('http://169.254.169.254/', [], settings)).toBe('HTTP_ADDRESS_REFUSED');
  });

  it('names the settings that would open a private address, and neither the address nor the path', async () => {
    const url = new URL('http://crm.internal/secret?token=1');
    expect(await judgeTarget(url, NOTHING, () => Promise.resolve(['10.0.0.1']))).toEqual({
      ok: false,
      code: 'HTTP_ADDRESS_REFUSED',
      message:
        'http://crm.internal leads to an address that is not public. If it shall be called, an operator adds it to ' +
        'OUTBOUND_ALLOW_HOSTS or its network to OUTBOUND_ALLOW_CIDRS.',
      retryable: false,
    });
  });
});
