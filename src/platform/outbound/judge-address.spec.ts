import { judgeAddress } from './judge-address.js';

const EVERYTHING = ['0.0.0.0/0', '::/0'];

describe('judging an address', () => {
  it.each([
    ['8.8.8.8'],
    ['1.1.1.1'],
    ['172.15.255.255'],
    ['172.32.0.0'],
    ['192.167.255.255'],
    ['100.63.255.255'],
    ['100.128.0.0'],
    ['223.255.255.255'],
    ['2606:4700:4700::1111'],
    ['2a00:1450:4001:80b::200e'],
    ['::ffff:8.8.8.8'],
    ['64:ff9b::8.8.8.8'],
  ])('opens %s, which is public', (address) => {
    expect(judgeAddress(address, [])).toBe('open');
  });

  it.each([
    ['127.0.0.1'],
    ['127.255.255.254'],
    ['10.0.0.1'],
    ['172.16.0.1'],
    ['172.31.255.255'],
    ['192.168.0.1'],
    ['100.64.0.1'],
    ['100.127.255.255'],
    ['192.0.0.1'],
    ['192.0.2.1'],
    ['192.88.99.1'],
    ['198.18.0.1'],
    ['198.19.255.255'],
    ['198.51.100.1'],
    ['203.0.113.1'],
    ['240.0.0.1'],
    ['::1'],
    ['fc00::1'],
    ['fdff::1'],
    ['fec0::1'],
    ['100::1'],
    ['2001:db8::1'],
    ['3fff::1'],
    ['2001:10::1'],
    ['5f00::1'],
    ['4000::1'],
    ['::ffff:127.0.0.1'],
    ['::ffff:7f00:1'],
    ['::ffff:10.0.0.1'],
    ['::127.0.0.1'],
    ['::8.8.8.8'],
    ['::ffff:0:127.0.0.1'],
    ['64:ff9b::127.0.0.1'],
    ['64:ff9b::10.0.0.1'],
    ['64:ff9b:1::10.0.0.1'],
    ['64:ff9b:1::8.8.8.8'],
    ['64:ff9b:1:a00:0:100::'],
    ['2002:7f00:1::1'],
    ['2002:808:808::1'],
    ['2001:0:808:808::80ff:fffe'], // a Teredo client, all bits turned over
    ['2606:4700::5efe:10.0.0.1'],
  ])('keeps %s closed until a setting opens it', (address) => {
    expect([judgeAddress(address, []), judgeAddress(address, EVERYTHING)]).toEqual(['closed', 'open']);
  });

  it.each([
    ['169.254.169.254'],
    ['169.254.0.1'],
    ['169.254.170.2'],
    ['100.100.100.200'],
    ['168.63.129.16'],
    ['192.0.0.192'],
    ['0.0.0.0'],
    ['0.1.2.3'],
    ['224.0.0.1'],
    ['239.255.255.255'],
    ['255.255.255.255'],
    ['::'],
    ['fe80::1'],
    ['fe80::1%eth0'],
    ['febf::1'],
    ['ff02::1'],
    ['fd00:ec2::254'],
    ['fd00:ec2::23'],
    ['fd20:ce::254'],
    ['::ffff:169.254.169.254'],
    ['::ffff:a9fe:a9fe'],
    ['::ffff:0.0.0.0'],
    ['::169.254.169.254'],
    ['::ffff:0:169.254.169.254'],
    ['64:ff9b::169.254.169.254'],
    ['64:ff9b::a9fe:a9fe'],
    ['64:ff9b:1::169.254.169.254'],
    ['64:ff9b:1:a9fe:a9:fe00::'],
    ['2002:a9fe:a9fe::'],
    ['2001:0:a9fe:a9fe::1'],
    ['2001:0:808:808::5601:5601'], // a Teredo client, all bits turned over
    ['2606:4700::5efe:169.254.169.254'],
    ['2606:4700::200:5efe:100.100.100.200'],
  ])('never opens %s', (address) => {
    expect([judgeAddress(address, []), judgeAddress(address, EVERYTHING)]).toEqual(['never', 'never']);
  });

  it('opens what lies in an allowed network, in each spelling of the address, and nothing beside it', () => {
    const allowed = ['10.1.0.0/16', 'fd12:3456::/32'];
    const judged = [
      '10.1.255.255',
      '::ffff:10.1.0.1',
      'fd12:3456:ffff::1',
      '10.2.0.0',
      'fd12:3457::',
      '64:ff9b::10.1.0.1',
    ];
    expect(judged.map((address) => judgeAddress(address, allowed))).toEqual([
      'open',
      'open',
      'open',
      'closed',
      'closed',
      'closed',
    ]);
  });

  it.each([[''], ['localhost'], ['0x7f.1'], ['2130706433'], ['127.1'], ['8.8.8.8 '], ['8.8.8.8/32']])(
    'keeps %j closed, which is no address',
    (text) => {
      expect(judgeAddress(text, EVERYTHING)).toBe('closed');
    },
  );
});
