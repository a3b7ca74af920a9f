import { loadSettings } from './load-settings.js';

const hosts = (text: string) => loadSettings({ OUTBOUND_ALLOW_HOSTS: text }).OUTBOUND_ALLOW_HOSTS;
const networks = (text: string) => loadSettings({ OUTBOUND_ALLOW_CIDRS: text }).OUTBOUND_ALLOW_CIDRS;

describe('OUTBOUND_ALLOW_HOSTS', () => {
  it.each([
    ['crm.internal', { host: 'crm.internal', below: false, port: null }],
    ['CRM.Internal.:8080', { host: 'crm.internal', below: false, port: 8080 }],
    ['*.svc.cluster.local', { host: 'svc.cluster.local', below: true, port: null }],
    ['*.svc.cluster.local:443', { host: 'svc.cluster.local', below: true, port: 443 }],
    ['127.0.0.1:80', { host: '127.0.0.1', below: false, port: 80 }],
    ['[::1]:80', { host: '[::1]', below: false, port: 80 }],
    ['[0:0::1]', { host: '[::1]', below: false, port: null }],
    ['bücher.example', { host: 'xn--bcher-kva.example', below: false, port: null }],
  ])('reads %s', (text, expected) => {
    expect(hosts(text)).toEqual([expected]);
  });

  it.each([
    ['*'],
    ['a.*.b'],
    ['http://crm.internal'],
    ['crm.internal/path'],
    ['user@crm.internal'],
    ['::1'],
    ['[::g]'],
    ['crm.internal:0'],
    ['crm.internal:70000'],
    ['crm.internal:'],
    ['two words'],
  ])('refuses %s and says what to write', (text) => {
    expect(() => hosts(text)).toThrow(/OUTBOUND_ALLOW_HOSTS\.0: .* is no host; write host, host:port or \*\.host/);
  });
});

describe('OUTBOUND_ALLOW_CIDRS', () => {
  it('reads networks, and an address as a network of one', () => {
    expect(networks('10.0.0.0/8, 192.168.1.7,fd12::/16,::1')).toEqual([
      '10.0.0.0/8',
      '192.168.1.7/32',
      'fd12::/16',
      '::1/128',
    ]);
  });

  it.each([
    ['10.0.0.0/33'],
    ['10.0.0/8'],
    ['10.0.0.0/8/8'],
    ['fd12::/129'],
    ['10.0.0.0/'],
    ['0x7f.0.0.1'],
    ['crm.internal'],
  ])('refuses %s and says what to write', (text) => {
    expect(() => networks(text)).toThrow(/OUTBOUND_ALLOW_CIDRS\.0: .* is no network; write it like 10\.1\.0\.0\/16/);
  });

  it('refuses IPv4-mapped networks, which would never match', () => {
    expect(() => networks('::ffff:10.0.0.0/104')).toThrow(/has to be written as an IPv4 network/);
  });
});
