import { readFileSync } from 'node:fs';
import { sizeClass } from '@sworn/evidence';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createRedactor, type Redacted, type RecordPart } from '../src/record/redact/redactor.js';
import { compileRules, RulesRefused } from '../src/record/redact/rules.js';
import { any, keyValue, message, text, varint, type WireMessage } from './otlpBytes.js';

const BUILT_IN = {
  content: parse(readFileSync(new URL('../../../config/redaction.yaml', import.meta.url), 'utf8')) as unknown,
  from: 'built_in',
} as const;
const redactor = createRedactor(compileRules([BUILT_IN]));
const token = (value: Uint8Array): string => `tok_${Buffer.from(value).toString('hex').padEnd(32, '0').slice(0, 32)}`;
const redact = (bytes: Uint8Array, part: RecordPart = 'span'): Redacted => redactor.redact(part, bytes, token);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** One attribute `note` with this text. */
const noted = (value: string): Uint8Array => message([[9, keyValue('note', any(value))]]);
/** The record with that attribute after redaction, as text. */
const redactedText = (value: string): string => Buffer.from(redact(noted(value)).bytes).toString('utf8');

// Made up, of the right shape each; cut at a bar so that no scanner takes this file for a leak.
const whole = (cut: string): string => cut.replace('|', '');
const r = (alphabet: string, length: number): string =>
  Array.from({ length }, (_, at) => alphabet[(at * 7 + 3) % alphabet.length]).join('');
const ALNUM = 'aB3dE5gH7jK9mN1pQ2';
const SECRETS: readonly (readonly [rule: string, secret: string])[] = [
  ['aws_key', whole(`AKI|AIOSFODNN7EXAMPLE`)],
  ['gcp_key', whole(`AIz|a${r(ALNUM, 35)}`)],
  ['gcp_key', whole(`ya2|9.${r(ALNUM, 40)}`)],
  ['secret_by_name', whole(`AccountKe|y=${r(ALNUM, 86)}==`)],
  ['azure_key', whole(`abc8|Q~${r(ALNUM, 34)}`)],
  ['github_token', whole(`gh|p_${r(ALNUM, 36)}`)],
  ['github_token', whole(`github_|pat_${r(ALNUM, 40)}`)],
  ['gitlab_token', whole(`glpa|t-${r(ALNUM, 20)}`)],
  ['slack_token', whole(`xox|b-123456789012-${r(ALNUM, 24)}`)],
  ['stripe_key', whole(`sk_liv|e_${r(ALNUM, 24)}`)],
  ['stripe_key', whole(`whse|c_${r(ALNUM, 32)}`)],
  ['llm_key', whole(`s|k-proj-${r(ALNUM, 48)}`)],
  ['llm_key', whole(`s|k-ant-api03-${r(ALNUM, 90)}`)],
  ['llm_key', whole(`gs|k_${r(ALNUM, 52)}`)],
  ['llm_key', whole(`h|f_${r(ALNUM, 34)}`)],
  ['service_token', whole(`np|m_${r(ALNUM, 36)}`)],
  ['service_token', whole(`S|G.${r(ALNUM, 22)}.${r(ALNUM, 43)}`)],
  ['service_token', whole(`hv|s.${r(ALNUM, 28)}`)],
  ['jwt', whole(`ey|J${r(ALNUM, 30)}.${r(ALNUM, 60)}.${r(ALNUM, 43)}`)],
  [
    'private_key',
    whole(`-----BEGIN RSA PRIVATE |KEY-----\n${r(ALNUM, 64)}\n${r(ALNUM, 64)}\n-----END RSA PRIVATE KEY-----`),
  ],
  ['authorization', `Bearer ${r(ALNUM, 40)}`],
  ['authorization', `Basic ${Buffer.from('admin:hunter2').toString('base64')}`],
  ['url_password', 'postgres://app:s3cr3t-pa55@db.example/x'],
  ['secret_by_name', 'password=hunter2horse'],
  ['secret_by_name', '{"clientSecret":"hunter2horse"}'],
  ['secret_by_name', 'OPENAI_API_KEY = "hunter2horse"'],
  ['token_by_name', '{"token":"0123456789abcdefghij"}'],
  ['payment_card', '4111 1111 1111 1111'],
  ['payment_card', '378282246310005'],
  ['us_ssn', '078-05-1120'],
  ['de_tax_id', '86095742719'],
  ['fr_nir', '2 55 08 14 168 025 38'],
  ['iban', 'DE89 3704 0044 0532 0130 00'],
  ['iban', 'GB82WEST12345698765432'],
  ['secret_by_word', 'DB_PASS=hunter2horse'],
  ['secret_by_word', '{"pass":"hunter2horse"}'],
  ['secret_by_word', 'otp=84920175'],
  ['secret_by_word', '{"otp": 84920175}'],
  ['secret_by_name', 'SECRET_KEY_BASE=hunter2horse'],
  ['secret_by_name', '{"passwords":["hunter2horse","hunter2horse"]}'],
  ['secret_by_name', 'X-Auth: hunter2horse'],
  ['secret_by_name', "[('x-api-key', 'hunter2horse')]"],
  ['secret_by_name', "[(b'x-api-key', b'hunter2horse')]"],
  ['secret_by_name', '[["authorization","ApiKey hunter2horse"]]'],
  ['secret_by_name', '{"name":"OPENAI_API_KEY","value":"hunter2horse"}'],
  ['secret_by_name', '{"key":"app.password","value":{"stringValue":"hunter2horse"}}'],
  ['secret_by_name', '- name: DB_PASSWORD\n  value: hunter2horse\n'],
  ['secret_by_name', 'password: "hunter2horse"'],
  ['secret_by_name', 'password%3Dhunter2horse%26user%3Dx'],
  ['secret_by_name', 'api%5Fkey=hunter2horse'],
  ['secret_by_name', '%7B%22p%61ssword%22%3A%22hunter2horse%22%7D'],
  ['session_cookie', 'sessionid=hunter2horse'],
  ['command_password', 'curl -sS -X POST -u admin:hunter2horse https://example.com'],
  ['command_password', 'mysql -h db -u root -phunter2horse app'],
  ['command_password', 'docker login -u me -p hunter2horse registry.example'],
  ['password_line', 'password: correcthorse\n'],
  ['slack_token', whole(`xox|c-123456789012-${r(ALNUM, 24)}`)],
  ['slack_token', whole(`xox|d-${r(ALNUM, 24)}%2B${r(ALNUM, 24)}`)],
  ['service_token', whole(`dckr_|pat_${r(ALNUM, 27)}`)],
  ['service_token', whole(`HRK|U-${r(ALNUM, 40)}`)],
  ['gcp_key', whole(`1|//0g${r(ALNUM, 40)}`)],
  ['url_key', whole(`https://example.com/x?k|ey=${r(ALNUM, 24)}`)],
  ['aws_key', whole(`AKI|AIOSFODNN7EXAMPLE / wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY`)],
  ['payment_card', '4111.1111.1111.1111'],
  ['payment_card', '3782.822463.10005'],
];
/** The part of a secret that must be nowhere: its last eight characters, or the whole of a short one. */
const core = (secret: string): string =>
  (
    /hunter2horse|s3cr3t-pa55|correcthorse|84920175/.exec(secret)?.[0] ?? secret.replace(/-----END.*/, '').trimEnd()
  ).slice(-8);

describe('a built-in rule', () => {
  it.each(SECRETS)('%s finds %s in a text and leaves the words around it', (rule, secret) => {
    const before = `see ${secret} there`;
    const { bytes, removed } = redact(noted(before));
    expect(removed.map((removal) => removal.rule)).toContain(rule);
    expect(latin1(bytes)).not.toContain(core(secret));
    expect(latin1(bytes)).toContain('see ');
    expect(latin1(bytes)).toContain(' there');
    for (const removal of removed) expect(removal.path).toBe('attributes.0.value.string_value');
  });

  it.each([
    'risk-assessment-of-the-very-long-framework',
    'basic knowledge of the bearer of good news',
    'the run took 1764032000000000000 ns, 1764032000000 ms, on 2026-11-25 01:18',
    '{"gen_ai.usage.input_tokens": 411, "total_tokens": 5, "token": "Hello", "logprob": -0.4532015112830366}',
    'https://example.com:8080/path@2x.png and user@example.com',
    'please choose a password: at least eight letters',
    'order 4111111111111112 and 1234567890123456, phone 030-12345678',
    '3f2b8c1e-0d4a-4f6b-9a77-5c1d2e3f4a5b 0af7651916cd43dd8448eb211c80319c',
    'AKIA is a prefix, sk- too, eyJ begins a JWT, -----BEGIN CERTIFICATE-----',
    'DE00 3704 0044 0532 0130 00',
    '{"pass": 12, "fail": 3, "test_pass": true} pass=true bypass=everything compass: north-49 passes: 1234567',
    '{"required": ["api_key", "query"], "fields": ["password", "username"], "properties": {"password": {"type": "string"}}}',
    'docker run -u 1000:1000 -p 8080:80 image; mkdir -p /tmp/x; sort -u a:b; the login page -- port',
    '{"sessionId": "abcdefghijklmnop", "session.id": "s-1234567890"}',
    'interface User { name: string; password: string }\n  password: string\n  pwd: hashedPassword\n',
    '10.1234.5678.9012 and 192.168.100.200 and 3.14159265358979 and 100% of 20%25',
    'commit AKIA 3f2b8c1e0d4a4f6b9a775c1d2e3f4a5b0af76519 is no key',
    'https://example.com/?key=documentation-index&page=1//0',
  ])('leaves alone: %s', (harmless) => {
    const bytes = noted(harmless);
    const { bytes: after, removed } = redact(bytes);
    expect(removed).toEqual([]);
    expect(after).toBe(bytes);
  });

  it('reads through JSON in JSON in JSON, and through characters written as \\u escapes', () => {
    const secret = SECRETS[0]?.[1] ?? '';
    const escaped = Array.from(secret, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
    const url = String.raw`{"dsn":"postgres:\/\/app:hunter2horse@db\/x"}`;
    const nested = JSON.stringify({ a: JSON.stringify({ b: JSON.stringify({ password: 'hunter2"horse' }) }) });
    expect(redactedText(`{"k":"${escaped}"}`)).toContain('{"k":"[REDACTED:aws_key]"}');
    expect(redactedText(url)).toContain(String.raw`app:[REDACTED:url_password]@db`);
    const after = redactedText(nested);
    expect(after).not.toContain('hunter2');
    expect(after).not.toContain('horse');
    const json = JSON.parse(after.slice(after.indexOf('{')));
    expect(JSON.parse(JSON.parse(json.a).b)).toEqual({ password: '[REDACTED:secret_by_name]' });
  });

  it('keeps JSON readable where a number goes', () => {
    expect(redactedText('{"card": 4111111111111111, "n": 1}')).toContain('{"card": null, "n": 1}');
  });
});

describe('a hostile text', () => {
  const anchors = compileRules([BUILT_IN]).flatMap((rule) => rule.anchors.map((anchor) => anchor.text));

  it('of nothing but anchors, of any of them, takes no more time than its length asks', () => {
    // Quadratic time on the longer texts would outlast the test's limit many times over.
    const alone = ['1', '4111 ', 'DE89 ', '-', '\\', '\\u005c', '--password ', '"password":"', '://a:', 'eyJ', 'sk-'];
    const between = ['', ' ', '"', '=', '\\', '.aaaaaaaa'];
    const texts: (readonly [unit: string, length: number])[] = alone.map((unit) => [unit, 100_000]);
    for (const [i, anchor] of [...new Set(anchors)].entries())
      texts.push(...between.map((more, j) => [anchor + more, i % between.length === j ? 100_000 : 10_000] as const));
    for (const [unit, length] of texts) {
      const before = noted(unit.repeat(Math.ceil(length / unit.length)));
      expect(redact(before).bytes.length).toBeLessThan(before.length * 10);
    }
  });

  it('in thirty thousand attributes is read field by field', () => {
    const many = Array.from({ length: 30_000 }, () => [9, keyValue('k', any('v'))] as const);
    const { removed } = redact(message([...many, [9, keyValue('k', any(anchors.join(' ')))]]));
    expect(removed.length).toBeLessThan(anchors.length);
  });
});

describe('an attribute', () => {
  it('loses its value by the end of its key, however long, and however that is written', () => {
    for (const key of [`${'x'.repeat(600)}.password`, 'db.pass', 'DB_PASS', 'user.otp', 'db%2Epass', 'x-api%2Dkey']) {
      const { bytes } = redact(message([[9, keyValue(key, any('hunter2horse'))]]));
      expect(latin1(bytes)).not.toContain('hunter2horse');
    }
    expect(redact(message([[9, keyValue('otp', any(849_201))]])).removed).toHaveLength(1);
  });

  it('keeps its value where the key only looks like one', () => {
    for (const pair of [
      keyValue('test.pass', message([[2, varint(1), 0]])),
      keyValue('tests.pass', any(12)),
      keyValue('bypass', any('everything')),
      keyValue('session.id', any('0123456789abcdef')),
    ]) {
      expect(redact(message([[9, pair]])).removed).toEqual([]);
    }
  });

  it('loses its value by its key, whatever kind of value it is', () => {
    for (const value of [
      any('hunter2horse'),
      any(12_345_678),
      any([any('hunter2horse')]),
      any({ a: any('hunter2horse') }),
    ]) {
      const { bytes, removed } = redact(message([[9, keyValue('app.DB-Password', value)]]));
      expect(removed).toEqual([{ rule: 'secret_by_name', path: 'attributes.0.value', n: sizeClass(value.length) }]);
      expect(Buffer.from(bytes)).toEqual(message([[9, keyValue('app.DB-Password', any('[REDACTED:secret_by_name]'))]]));
    }
  });

  it('loses its value also when the key comes last, or twice', () => {
    const reversed = message([
      [2, any('hunter2horse')],
      [1, text('password')],
    ]);
    const twice = message([
      [1, text('password')],
      [2, any('hunter2horse')],
      [1, text('harmless')],
    ]);
    for (const pair of [reversed, twice]) {
      expect(
        latin1(
          redact(
            message([
              [9, pair],
              [13, message([[3, text('a=b')]])],
            ]),
          ).bytes,
        ),
      ).not.toContain('hunter2horse');
    }
  });

  it('with a command line is emptied by default', () => {
    const resource = message([
      [
        1,
        message([
          [1, keyValue('process.command_args', any([any('node'), any('--x')]))],
          [1, keyValue('process.pid', any(7))],
        ]),
      ],
    ]);
    const { bytes, removed } = redact(resource, 'resource');
    expect(removed).toEqual([{ rule: 'process_command', path: 'resource.attributes.0.value', n: 32 }]);
    expect(Buffer.from(bytes)).toEqual(
      message([
        [
          1,
          message([
            [1, message([[1, text('process.command_args')]])],
            [1, keyValue('process.pid', any(7))],
          ]),
        ],
      ]),
    );
  });

  it('that is a card number as a number becomes a text that says so', () => {
    for (const value of [
      any(4_111_111_111_111_111),
      message([[4, Buffer.from(new Float64Array([4_111_111_111_111_111]).buffer), 1]]),
    ]) {
      const { bytes, removed } = redact(message([[9, keyValue('card', value)]]));
      expect(removed.map((removal) => removal.rule)).toEqual(['payment_card']);
      expect(Buffer.from(bytes)).toEqual(message([[9, keyValue('card', any('[REDACTED:payment_card]'))]]));
    }
  });
});

describe('a canary', () => {
  /** A span with a text at one place that `put` chooses; every other text is harmless. */
  const places: Readonly<Record<string, (canary: Uint8Array) => WireMessage>> = {
    'span name': (c) => [[5, c]],
    'trace state': (c) => [[3, c]],
    'attribute key': (c) => [[9, keyValue(c, any('v'))]],
    'attribute text': (c) => [[9, keyValue('k', message([[1, c]]))]],
    'attribute bytes': (c) => [[9, keyValue('k', message([[7, c]]))]],
    'a list': (c) => [[9, keyValue('k', any([any('a'), message([[1, c]])]))]],
    'a map in a list in a map': (c) => [[9, keyValue('k', any({ a: any([any({ b: message([[1, c]]) })]) }))]],
    'a map key': (c) => [[9, keyValue('k', message([[6, message([[1, keyValue(c, any('v'))]])]]))]],
    'event name': (c) => [[11, message([[2, c]])]],
    'event attribute': (c) => [
      [
        11,
        message([
          [2, text('e')],
          [3, keyValue('k', message([[1, c]]))],
        ]),
      ],
    ],
    'link trace state': (c) => [[13, message([[3, c]])]],
    'link attribute': (c) => [[13, message([[4, keyValue('k', message([[1, c]]))]])]],
    'status message': (c) => [
      [
        15,
        message([
          [2, c],
          [3, varint(2), 0],
        ]),
      ],
    ],
    'unknown field of the span': (c) => [[900, c]],
    'unknown field of an attribute': (c) => [
      [
        9,
        message([
          [1, text('k')],
          [2, any('v')],
          [77, c],
        ]),
      ],
    ],
    'unknown field of a value': (c) => [[9, keyValue('k', message([[99, c]]))]],
    'a message that is none': (c) => [[15, c]],
    'a known number with another type': (c) => [[7, c]],
    'a group': (c) => [[50, Buffer.concat([message([[1, c]]), varint(50 * 8 + 4)]), 3]],
  };
  const harmless = fc.stringMatching(/^[ -~äß€]{0,40}$/).filter((words) => redact(noted(words)).removed.length === 0);
  const dressed = (secret: string): fc.Arbitrary<string> =>
    fc.tuple(harmless, fc.nat(3)).map(([around, depth]) => {
      let dress = `${around} ${secret} ${around}`;
      for (let level = 0; level < depth; level++) dress = JSON.stringify({ level, it: dress });
      return dress;
    });

  it.each(Object.keys(places))('in %s is nowhere in the stored bytes, and nothing else changes', (name) => {
    const place = places[name];
    if (place === undefined) throw new Error(name);
    const before: WireMessage = [
      [1, Buffer.alloc(16, 0xaa)],
      [2, Buffer.alloc(8, 0xbb)],
      [9, keyValue('first', any('one'))],
    ];
    const after: WireMessage = [
      [16, Buffer.from([1, 2, 3, 4]), 5],
      [9, keyValue('last', any('two'))],
    ];
    const arbitrary = fc.constantFrom(...SECRETS).chain(([, secret]) => fc.tuple(fc.constant(secret), dressed(secret)));
    fc.assert(
      fc.property(arbitrary, ([secret, dress]) => {
        const { bytes, removed } = redact(message([...before, ...place(Buffer.from(dress)), ...after]));
        const stored = latin1(bytes);
        expect(stored).not.toContain(core(secret));
        expect(removed.length).toBeGreaterThan(0);
        for (const { path } of removed) expect(path).toMatch(/^[a-z0-9_.]{1,64}$/);
        expect(stored.startsWith(latin1(message(before)))).toBe(true);
        expect(stored.endsWith(latin1(message(after)))).toBe(true);
      }),
      { numRuns: 120 },
    );
  });

  it('in a deep nest of lists is found below the depth that is walked', () => {
    let value = any(SECRETS[0]?.[1] ?? '');
    for (let depth = 0; depth < 200; depth++) value = any([value]);
    expect(latin1(redact(message([[9, keyValue('k', value)]])).bytes)).not.toContain('IOSFODNN');
  });
});

describe('a clean record', () => {
  it('comes out as the very same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const { bytes: after, removed } = redact(bytes);
        expect(removed.length > 0 || after === bytes).toBe(true);
      }),
    );
  });
});

describe("an operator's own rule", () => {
  const own = (yaml: string): ReturnType<typeof createRedactor> =>
    createRedactor(compileRules([BUILT_IN, { content: parse(`version: 1\n${yaml}`), from: 'own' }]));

  it('masks, tokens or drops, with anchors and without, over Unicode', () => {
    const custom = own(`values:
  - { id: customer, action: token, shapes: [{ anchors: [KD-], pattern: 'KD-[0-9]{6}' }] }
  - { id: street, shapes: [{ pattern: '(\\p{L}+straße) [0-9]+' }] }
  - { id: project, action: drop, shapes: [{ anchors: [moonshot], flags: i, pattern: 'moonshot' }] }
`);
    const at = (value: string): string =>
      Buffer.from(custom.redact('span', noted(value), token).bytes).toString('utf8');
    expect(at('for KD-123456 now')).toContain(`for ${token(Buffer.from('KD-123456'))} now`);
    expect(at('in Hauptstraße 5 bei')).toContain('in [REDACTED:street] 5 bei');
    expect(at('all about MoonShot here')).not.toContain('about');
  });

  it('cannot make a span take for ever', () => {
    const custom = own(`values: [{ id: evil, shapes: [{ pattern: '(a+)+$' }] }]`);
    expect(custom.redact('span', noted(`${'a'.repeat(20_000)}!`), token).removed).toEqual([]);
  });

  it('is refused with all its mistakes at once', () => {
    const bad = `values:\n  - { id: A!, shapes: [{ pattern: '(?<=x)y' }] }\n  - { id: b, action: burn, shapes: [] }\nnaems: []\n`;
    const mistakes = expect.arrayContaining([
      { path: ['values', 0, 'id'], why: expect.stringContaining('A! is not an id') },
      { path: ['values', 0, 'shapes', 0, 'pattern'], why: expect.stringContaining('error parsing') },
      { path: ['values', 1, 'action'], why: expect.stringContaining('must be') },
      { path: ['values', 1], why: 'has no shapes' },
      { path: ['naems'], why: expect.stringContaining('there is version, drop, names, values') },
    ]);
    expect(() => own(bad)).toThrow(expect.objectContaining({ mistakes }));
    expect(() => compileRules([BUILT_IN, BUILT_IN])).toThrow(RulesRefused);
    expect(() => own('drop: [{ id: beyond_bounds, keys: [abc] }]')).toThrow(/beyond_bounds is taken/);
  });
});
