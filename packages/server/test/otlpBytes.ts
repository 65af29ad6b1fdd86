/** Fields of a message to write: number, value, wire type (2 unless said). The value of types 0, 1, 3 and 5 is raw. */
export type WireMessage = readonly (readonly [number: number, value: Uint8Array, wireType?: 0 | 1 | 2 | 3 | 5])[];

export function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) out.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...out, Number(rest)]);
}

export function text(value: string): Buffer {
  return Buffer.from(value);
}

export function message(fields: WireMessage): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value, wireType = 2]) => [
      varint(number * 8 + wireType),
      ...(wireType === 2 ? [varint(value.length)] : []),
      value,
    ]),
  );
}

/** An AnyValue. */
export function any(value: string | number | readonly Uint8Array[] | Readonly<Record<string, Uint8Array>>): Buffer {
  if (typeof value === 'string') return message([[1, text(value)]]);
  if (typeof value === 'number') return message([[3, varint(value), 0]]);
  if (Array.isArray(value)) return message([[5, message(value.map((item: Uint8Array) => [1, item] as const))]]);
  return message([
    [6, message(Object.entries(value).map(([key, item]: [string, Uint8Array]) => [1, keyValue(key, item)] as const))],
  ]);
}

export function keyValue(key: string | Uint8Array, value: Uint8Array): Buffer {
  return message([
    [1, typeof key === 'string' ? text(key) : key],
    [2, value],
  ]);
}
