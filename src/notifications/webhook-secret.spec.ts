import { Webhook } from 'standardwebhooks';
import { matchingPatterns } from './webhook-endpoint.repository.js';
import { newWebhookSecret, openSecret, sealSecret, signWebhook } from './webhook-secret.js';

const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';

describe('a webhook', () => {
  const now = Math.floor(Date.now() / 1000);
  const body = '{"type":"checkpoint.opened","data":{"title":"Grüße"}}';
  const [fresh, old] = [newWebhookSecret(), newWebhookSecret()];
  const headers = (secrets: string[], timestamp = now) => ({
    'webhook-id': ID,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signWebhook(secrets, { id: ID, timestamp, body }),
  });

  it('has the signature of the test vector of the specification', () => {
    const payload = { id: ID, timestamp: 1_614_265_330, body: '{"test": 2432232314}' };
    const signature = signWebhook(['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], payload);
    expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('is accepted by the official library', () => {
    expect(new Webhook(fresh).verify(body, headers([fresh]))).toEqual(JSON.parse(body));
  });

  it('is accepted with either secret while they are changed', () => {
    const both = headers([fresh, old]);
    for (const secret of [fresh, old]) expect(new Webhook(secret).verify(body, both)).toBeDefined();
    expect(both['webhook-signature']).toMatch(/^v1,[\w+/]{43}= v1,[\w+/]{43}=$/);
  });

  it.each([
    ['by another secret', [old], body, now, 'No matching signature'],
    ['for another body', [fresh], `${body} `, now, 'No matching signature'],
    ['too long ago', [fresh], body, now - 400, 'too old'],
  ])('signed %s is refused', (_, secrets, received, timestamp, message) => {
    expect(() => new Webhook(fresh).verify(received, headers(secrets, timestamp))).toThrow(message);
  });

  it('has a secret of 32 bytes, sealed for its endpoint', () => {
    expect(fresh).toMatch(/^whsec_[\w+/]{43}=$/);
    const sealed = sealSecret('k'.repeat(32), 'endpoint-a', fresh);
    expect(openSecret('k'.repeat(32), 'endpoint-a', sealed)).toBe(fresh);
    expect(openSecret('k'.repeat(32), 'endpoint-b', sealed)).toBeNull();
  });
});

describe('an event', () => {
  it('is wanted by its name, by each of its groups and by all', () => {
    expect(matchingPatterns('checkpoint.opened')).toEqual(['*', 'checkpoint.*', 'checkpoint.opened']);
    expect(matchingPatterns('a.b.c')).toEqual(['*', 'a.*', 'a.b.*', 'a.b.c']);
    expect(matchingPatterns('ping')).toEqual(['*', 'ping']);
  });
});
