import { isAddressOrNetwork, isInNetworks } from './match-address.js';

describe('an entry of a list of addresses', () => {
  it.each(['10.0.0.0/8', '10.1.2.3', '10.1.2.3/0', '2001:db8::/32', '::1', '::/0', '::ffff:10.0.0.0/104'])(
    'may be %s',
    (text) => expect(isAddressOrNetwork(text)).toBe(true),
  );

  it.each([
    '',
    'localhost',
    '10.0.0',
    '010.0.0.1',
    '0x7f.1',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/',
    '::/129',
    'fe80::1%eth0',
    '::ffff:10.0.0.0/8',
    '[::1]',
    ' 10.0.0.1',
  ])('may not be "%s"', (text) => expect(isAddressOrNetwork(text)).toBe(false));
});

describe('an address', () => {
  it.each([
    ['10.1.2.3', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '10.9.9.9/8'],
    ['::ffff:10.1.2.3', '10.0.0.0/8'],
    ['::ffff:a01:203', '10.1.2.3'],
    ['10.1.2.3', '::ffff:10.0.0.0/104'],
    ['2001:db8::5', '2001:db8::/32'],
    ['fe80::1%eth0', 'fe80::/10'],
    ['192.0.2.1', '0.0.0.0/0'],
    ['2001:db8::5', '::/0'],
  ])('%s is in %s', (address, network) => expect(isInNetworks(address, ['192.168.77.0/24', network])).toBe(true));

  it.each([
    ['11.1.2.3', '10.0.0.0/8'],
    ['::10.1.2.3', '10.0.0.0/8'],
    ['64:ff9b::10.1.2.3', '10.0.0.0/8'],
    ['10.1.2.3', '::/0'],
    ['2001:db8::5', '0.0.0.0/0'],
    ['2001:db9::5', '2001:db8::/32'],
    ['unknown', '0.0.0.0/0'],
    [null, '0.0.0.0/0'],
  ])('%s is not in %s', (address, network) => expect(isInNetworks(address, [network])).toBe(false));
});
