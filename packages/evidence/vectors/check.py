"""Checks the vectors beside it with nothing but Python's standard library, from the pages in docs/spec alone:

    python3 packages/evidence/vectors/check.py

A second implementation: it shares no code with the package, so it holds the pages and the vectors to each other.
"""
import base64, hashlib, hmac, json, pathlib, re, unicodedata

HERE = pathlib.Path(__file__).parent
sha = lambda *parts: hashlib.sha256(b''.join(parts)).digest()
load = lambda name: json.loads((HERE / f'{name}.json').read_text('utf-8'))
checked = 0


class Refused(Exception):
    pass


def demand(condition, what):
    if not condition:
        raise Refused(what)


def check(condition, what):
    global checked
    checked += 1
    if not condition:
        raise SystemExit(f'FAILED: {what}')


def check_refused(read, given, what):
    try:
        read(given)
    except Refused:
        return check(True, what)
    check(False, f'accepted: {what}')


# docs/spec/leaf.md, "Strict JSON" and "Canonical form"

def unique(pairs):
    demand(len({name for name, _ in pairs}) == len(pairs), 'duplicate member')
    return dict(pairs)


def integer(literal):
    demand(re.fullmatch(r'0|-?[1-9][0-9]*', literal) and abs(int(literal)) <= 2**53 - 1, 'number')
    return int(literal)


def no(literal):
    raise Refused('number')


def parse(raw):
    try:
        text = raw.decode('utf-8')
        demand(not text.startswith('\ufeff'), 'byte order mark')
        value = json.loads(text, object_pairs_hook=unique, parse_int=integer, parse_float=no, parse_constant=no)
    except ValueError as error:
        raise Refused(str(error))
    walk(value, 1, 64)
    return value


def walk(value, depth, deepest):
    if isinstance(value, str):
        demand(all(not 0xD800 <= ord(c) <= 0xDFFF and not is_noncharacter(ord(c)) for c in value), 'string')
    if isinstance(value, (list, dict)):
        demand(depth <= deepest, 'depth')
        for item in value if isinstance(value, list) else [*value.keys(), *value.values()]:
            walk(item, depth + 1, deepest)


def is_noncharacter(point):
    return 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE


def canonical(value):
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode('utf-16-be'))
        return b'{' + b','.join(canonical(name) + b':' + canonical(value[name]) for name in names) + b'}'
    if isinstance(value, list):
        return b'[' + b','.join(map(canonical, value)) + b']'
    return json.dumps(value, ensure_ascii=False).encode('utf-8')


# docs/spec/leaf.md, "Envelope"

UUID = r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
SHAPES = {
    'log': rf'[a-z0-9][a-z0-9.-]{{0,62}}/{UUID}/(llm-runs|system|audit|access|control)(\.([2-9]|[1-9][0-9]{{1,8}}))?',
    'kind': r'[A-Z][A-Z0-9_]{0,63}',
    'event_key': r'[0-9a-f]{48}|[0-9a-f]{64}',
    'occurred_at': r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z',
    'recorded_at': r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z',
    'r': r'[0-9a-f]{32}',
}


def read_leaf(raw):
    demand(len(raw) <= 16 * 1024, 'size')
    leaf = parse(raw)
    demand(isinstance(leaf, dict) and leaf.get('t') == 'sworn.leaf/1', 'type')
    walk(leaf, 1, 8)
    walk_leaf(leaf)
    for member, shape in SHAPES.items():
        demand(isinstance(leaf.get(member), str) and re.fullmatch(shape, leaf[member], re.ASCII), member)
    for member in ('occurred_at', 'recorded_at'):
        real_time(leaf[member])
    demand(leaf.get('by') in ('sworn', 'producer') and (leaf['by'] == 'producer') == ('key' in leaf), 'by')
    demand('key' not in leaf or re.fullmatch(UUID, leaf['key']), 'key')
    demand('map' not in leaf or (type(leaf['map']) is int and leaf['map'] >= 1), 'map')
    demand(('c' in leaf) == ('dk' in leaf), 'c and dk')
    if 'c' in leaf:
        demand(re.fullmatch(UUID, leaf['dk']) and isinstance(leaf['c'], dict) and leaf['c'], 'dk')
        for path, committed in leaf['c'].items():
            demand(re.fullmatch(r'[a-z0-9_.]{1,64}', path) and isinstance(committed, dict) and sorted(committed) == ['ch', 'n', 'pc'], 'c')
            demand(all(re.fullmatch('[0-9a-f]{64}', committed[m]) for m in ('pc', 'ch')), 'c')
            demand(committed['n'] >= 16 and committed['n'] & (committed['n'] - 1) == 0, 'n')
    demand(canonical(leaf) == raw, 'not canonical')
    return leaf


def walk_leaf(value):
    if isinstance(value, list):
        demand(len(value) <= 64, 'list')
        for item in value:
            walk_leaf(item)
    if isinstance(value, dict):
        for name, item in value.items():
            demand(re.fullmatch(r'[a-z0-9_.-]{1,64}', name), 'member name')
            walk_leaf(item)


def real_time(text):
    import datetime
    try:
        datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%S.%fZ')
    except ValueError:
        raise Refused('time')


def size_class(count):
    n = 16
    while n < count:
        n *= 2
    return n


# docs/spec/tree.md: RFC 6962 section 2.1, by the definition

leaf_hash = lambda raw: sha(b'\0', raw)
node = lambda left, right: sha(b'\1', left, right)
entries = [leaf_hash(str(i).encode()) for i in range(1000)]


def split(n):
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(d):
    return sha() if not d else d[0] if len(d) == 1 else node(mth(d[:split(len(d))]), mth(d[split(len(d)):]))


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    return path(m, d[:k]) + [mth(d[k:])] if m < k else path(m - k, d[k:]) + [mth(d[:k])]


def subproof(m, d, whole):
    if m == len(d):
        return [] if whole else [mth(d)]
    k = split(len(d))
    return subproof(m, d[:k], whole) + [mth(d[k:])] if m <= k else subproof(m - k, d[k:], False) + [mth(d[:k])]


def subtrees(begin, end):
    while begin < end:
        width = 1
        while begin % (2 * width) == 0 and begin + 2 * width <= end:
            width *= 2
        yield mth(entries[begin:begin + width])
        begin += width


# docs/spec/checkpoint.md; Ed25519 by RFC 8032 section 6

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    x, y = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = y - x, d - c, d + c, y + x
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(s, point):
    total = (0, 1, 1, 0)
    while s > 0:
        if s & 1:
            total = add(total, point)
        point, s = add(point, point), s >> 1
    return total


def point_of(raw):
    y = int.from_bytes(raw, 'little')
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    x = x * ROOT % P if (x * x - x2) % P else x
    demand((x * x - x2) % P == 0, 'point')
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, 'little'))


def ed25519(public, message, signature):
    s = int.from_bytes(signature[32:], 'little')
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), 'little') % Q
    left, right = times(s, BASE), add(point_of(signature[:32]), times(h, point_of(public)))
    return s < Q and (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


def unbase64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Refused('base64')
    demand(base64.b64encode(raw).decode() == text, 'base64')
    return raw


def read_note(note):
    demand(note.endswith('\n') and '\n\n' in note, 'note')
    border = note.rindex('\n\n')
    text, lines = note[:border + 1], note[border + 2:-1].split('\n')
    demand(1 <= len(lines) <= 100 and not any(ord(c) < 0x20 and c != '\n' for c in text), 'note')
    signatures = {}
    for line in lines:
        match = re.fullmatch('\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})', line)
        demand(match and not any(c.isspace() or unicodedata.category(c) == 'Cc' for c in match[1]), 'signature line')
        raw = unbase64(match[2])
        demand(len(raw) > 4 and (match[1], raw[:4]) not in signatures, 'signature')
        signatures[match[1], raw[:4]] = raw[4:]
    return text, signatures


def read_checkpoint(note):
    text, signatures = read_note(note)
    match = re.fullmatch(r'([!-*,-~]{1,255})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n', text)
    demand(match and int(match[2]) <= 2**53 - 1, 'checkpoint')
    root = unbase64(match[3])
    demand(match[2] != '0' or root == sha(), 'root of nothing')
    return match[1], int(match[2]), root, text, signatures


# docs/spec/tree.md, "Tiles" and "Record ids"

def tile_path(level, index, width):
    digits = str(index).zfill((len(str(index)) + 2) // 3 * 3)
    groups = [digits[i:i + 3] for i in range(0, len(digits), 3)]
    return f'tile/{level}/' + ''.join(f'x{g}/' for g in groups[:-1]) + groups[-1] + ('' if width == 256 else f'.p/{width}')


def read_tile_path(text):
    match = re.fullmatch(r'tile/([0-6]|entries)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?', text)
    demand(match, 'tile path')
    index, width = int(re.sub('[x/]', '', match[2])), int(match[3] or 256)
    demand(index <= 2**53 - 1 and width <= 256 and tile_path(match[1], index, width) == text, 'tile path')


TOPICS = ['llm-runs', 'system', 'audit', 'access', 'control']


def read_record_id(text):
    match = re.fullmatch(r'([0-9a-f]{8})-0([1-5])00-8000-80([0-9a-f]{2})-([0-9a-f]{12})', text)
    demand(match and int(match[1], 16) >= 1 and int(match[3] + match[4], 16) <= 2**53 - 1, 'record id')
    return TOPICS[int(match[2]) - 1], int(match[1], 16), int(match[3] + match[4], 16)


def main():
    v = load('canonical')
    for item in v['accepted']:
        raw = base64.b64decode(item['canonical'])
        check(canonical(item['value']) == raw and parse(raw) == item['value'], f'canonical {item}')
    for item in v['refused']:
        check_refused(parse, base64.b64decode(item['bytes']), item['why'])

    v = load('leaf')
    for item in v['accepted']:
        raw = base64.b64decode(item['leaf'])
        check(read_leaf(raw) == item['fields'] and leaf_hash(raw).hex() == item['leaf_hash'], item['fields']['kind'])
    for item in v['refused']:
        check_refused(read_leaf, base64.b64decode(item['leaf']), item['why'])
    for item in v['commitment']:
        message = b'sworn.commit/1\0' + item['path'].encode() + b'\0' + base64.b64decode(item['value'])
        check(hmac.digest(bytes.fromhex(item['salt']), message, 'sha256').hex() == item['pc'], 'commitment')
    for item in v['size_class']:
        check(size_class(item['bytes']) == item['n'], 'size class')
    for item in v['token']:
        check('tok_' + hmac.digest(bytes.fromhex(item['key']), item['value'].encode(), 'sha256')[:16].hex() == item['token'], 'token')

    v = load('tree')
    for item in v['roots']:
        size = item['size']
        check(mth(entries[:size]).hex() == item['root'], f'root {size}')
        check(b''.join(subtrees(0, size)).hex() == item['frontier'], f'frontier {size}')
    for item in v['inclusion']:
        check([h.hex() for h in path(item['index'], entries[:item['size']])] == item['path'], f'inclusion {item["index"]}')
    for item in v['consistency']:
        m, n = item['from'], item['to']
        check(([h.hex() for h in subproof(m, entries[:n], True)] if m else []) == item['path'], f'consistency {m} {n}')
    for item in v['range']:
        both = [*subtrees(0, item['begin']), *subtrees(item['end'], item['size'])]
        check([h.hex() for h in both] == item['path'], f'range {item["begin"]}')

    v = load('tile')
    for item in v['paths']:
        check(tile_path(item['level'], item['index'], item['width']) == item['path'], item['path'])
        read_tile_path(item['path'])
    for text in v['refused']:
        check_refused(read_tile_path, text, text)
    for item in v['full']:
        full = [[l, i] for l in range(7) for i in range(item['from'] // 256**(l + 1), item['to'] // 256**(l + 1))]
        check(full == item['tiles'], f'full tiles {item["from"]}')
    for item in v['entries']:
        leaves = [base64.b64decode(leaf) for leaf in item['leaves']]
        check(b''.join(len(leaf).to_bytes(2, 'big') + leaf for leaf in leaves) == base64.b64decode(item['tile']), 'entries')

    v = load('checkpoint')
    public, name = bytes.fromhex(v['public_key']), v['name']
    key_id = sha(name.encode(), b'\n\1', public)[:4]
    check(key_id.hex() == v['key_id'], 'key id')
    check(f'{name}+{key_id.hex()}+{base64.b64encode(bytes([1]) + public).decode()}' == v['vkey'], 'vkey')
    for item in v['accepted']:
        origin, size, root, text, signatures = read_checkpoint(item['note'])
        check((origin, size, root.hex()) == (item['origin'], item['size'], item['root']), 'checkpoint')
        check(ed25519(public, text.encode(), signatures[name, key_id]), 'signature')
    for note in v['bad_signature']:
        _, _, _, text, signatures = read_checkpoint(note)
        check(not ed25519(public, text.encode(), signatures[name, key_id]), 'a bad signature')
    for item in v['refused']:
        check_refused(read_checkpoint, item['note'], item['why'])

    v = load('record-id')
    for item in v['accepted']:
        check(read_record_id(item['id']) == (item['topic'], item['generation'], item['index']), item['id'])
    for text in v['refused']:
        check_refused(read_record_id, text, text)
    print(f'{checked} checks, all as the vectors say')


main()
