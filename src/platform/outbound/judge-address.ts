import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** `open`: public, or in a network that is allowed. `closed`: a setting can open it. `never`: no setting can. */
export type AddressVerdict = 'open' | 'closed' | 'never';

/** What no workflow has business with, wherever it runs. */
const NEVER = networks(
  ['0.0.0.0/8', '::/128'], // "this host": connecting to it reaches loopback on Linux
  ['169.254.0.0/16', 'fe80::/10'], // link-local, with the metadata services of most clouds
  ['fd00:ec2::/32', 'fd20:ce::/64'], // metadata and local services of AWS and Google over IPv6
  ['100.100.100.200/32', '168.63.129.16/32', '192.0.0.192/32'], // metadata of Alibaba, Azure, Oracle
  ['224.0.0.0/4', '255.255.255.255/32', 'ff00::/8'], // multicast and broadcast
);

/** The only IPv6 space given out for public unicast (IANA); ipaddr.js calls everything unicast that is not special. */
const GLOBAL_IPV6 = networks(['2000::/3']);

const NAT64 = networks(['64:ff9b::/96']);

/**
 * May a connection go to this address?
 * 1. An IPv4-mapped address is the IPv4 address: that is where the system connects to.
 * 2. Never to link-local, metadata, multicast and unspecified ones, nor to any IPv6 address that carries one of them
 *    (NAT64, 6to4, Teredo, IPv4-compatible, translated, ISATAP).
 * 3. What lies in an allowed network is open.
 * 4. Otherwise only public unicast. NAT64 (RFC 6052), by which IPv6-only hosts reach all of IPv4, is as public as the
 *    address it carries; the other forms that carry one are not public.
 */
export function judgeAddress(text: string, allowed: readonly string[]): AddressVerdict {
  if (isIP(text) === 0) return 'closed';
  const address = parseAddress(text);
  const carried = address instanceof ipaddr.IPv6 ? carriedBy(address) : [];
  if ([address, ...carried].some((one) => isWithin(one, NEVER))) return 'never';
  if (isWithin(address, networks(allowed))) return 'open';
  return isPublic(address, carried) ? 'open' : 'closed';
}

/** Of an address as systems spell it (`isIP`). An IPv4-mapped one is the IPv4 address. */
export function parseAddress(text: string): Address {
  return ipaddr.process(isIP(text) === 6 ? inHexadecimal(text) : text);
}

/** Without a zone. ipaddr.js reads `::8.8.8.8`, as resolvers spell IPv4-compatible addresses, as the IPv4-mapped one. */
function inHexadecimal(text: string): string {
  return new URL(`http://[${text.replace(/%.*$/, '')}]`).hostname.slice(1, -1);
}

function isPublic(address: Address, carried: readonly ipaddr.IPv4[]): boolean {
  if (address instanceof ipaddr.IPv4) return address.range() === 'unicast';
  const itself = isWithin(address, NAT64) || (isWithin(address, GLOBAL_IPV6) && address.range() === 'unicast');
  return itself && carried.every((one) => one.range() === 'unicast');
}

export function isWithin(address: Address, those: readonly [Address, number][]): boolean {
  return those.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}

function networks(...lists: (readonly string[])[]): [Address, number][] {
  return lists.flat().map((text) => ipaddr.parseCIDR(text));
}

/** The IPv4 addresses to which a gateway, a tunnel or a translator might pass on what is sent to this one. */
function carriedBy({ parts }: ipaddr.IPv6): ipaddr.IPv4[] {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = parts;
  const startsWith = (...prefix: number[]) => prefix.every((part, index) => parts[index] === part);
  const found: [high: number, low: number][] = [];
  // IPv4-compatible (RFC 4291 §2.5.5.1); under 1.0.0.0 are :: and ::1
  if (startsWith(0, 0, 0, 0, 0, 0) && g > 0xff) found.push([g, h]);
  if (startsWith(0, 0, 0, 0, 0xffff, 0)) found.push([g, h]); // translated (RFC 2765)
  if (startsWith(0x64, 0xff9b, 0, 0, 0, 0)) found.push([g, h]); // NAT64 (RFC 6052)
  // Local NAT64 (RFC 8215), with the address at the end or, for 48 bits of prefix, around bits 64 to 71 (RFC 6052 §2.2)
  if (startsWith(0x64, 0xff9b, 1)) found.push(g > 0 || h > 0 ? [g, h] : [d, ((e & 0xff) << 8) | (f >> 8)]);
  if (startsWith(0x2002)) found.push([b, c]); // 6to4 (RFC 3056)
  // Teredo (RFC 4380 §4): the server, and the client with all bits turned over
  if (startsWith(0x2001, 0)) found.push([c, d], [g ^ 0xffff, h ^ 0xffff]);
  if (a !== 0 && (e & 0xfdff) === 0 && f === 0x5efe) found.push([g, h]); // ISATAP (RFC 5214 §6.1)
  return found.map(([high, low]) => new ipaddr.IPv4([high >> 8, high & 0xff, low >> 8, low & 0xff]));
}
