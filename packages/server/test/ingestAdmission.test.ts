import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Admission } from '../src/ingest/admission.js';

test('a tenant holds at most its share, and others still find room', () => {
  const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
  const [a, b, other] = [admission.open('a'), admission.open('a'), admission.open('b')];
  expect([a.growTo(20), b.growTo(5), b.growTo(6), other.growTo(25)]).toEqual([true, true, false, true]);
  expect(admission.bytesInFlight).toBe(50);
});

test('a request above the share is taken when its tenant has nothing else in flight', () => {
  const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
  const large = admission.open('a');
  expect([large.growTo(60), large.growTo(90)]).toEqual([true, true]);
  const next = admission.open('a');
  expect(next.growTo(1)).toBe(false);
  large.release();
  expect(next.growTo(1)).toBe(true);
});

test('the process is never overbooked by several tenants', () => {
  const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
  const tenants = Array.from({ length: 5 }, (_, i) => admission.open(`t${i}`).growTo(25));
  expect(tenants).toEqual([true, true, true, true, false]);
});

test('what is released or given back is free again, once', () => {
  const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
  const a = admission.open('a');
  a.growTo(20);
  a.shrinkTo(5);
  expect(admission.bytesInFlight).toBe(5);
  a.release();
  a.release();
  a.shrinkTo(0);
  expect([admission.bytesInFlight, a.growTo(1)]).toEqual([0, false]);
});

test('the sum in flight is what the open requests hold, whatever happens', () => {
  const step = fc.record({
    request: fc.nat({ max: 5 }),
    to: fc.nat({ max: 60 }),
    act: fc.constantFrom('grow', 'shrink', 'release'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
      const open = Array.from({ length: 6 }, (_, i) => ({ held: 0, reservation: admission.open(`t${i % 3}`) }));
      for (const { request, to, act } of steps) {
        const one = open[request] as (typeof open)[number];
        if (act === 'grow') {
          if (one.reservation.growTo(to)) one.held = Math.max(one.held, to);
        } else if (act === 'shrink') {
          one.reservation.shrinkTo(to);
          one.held = Math.min(one.held, to);
        } else {
          one.reservation.release();
          open[request] = { held: 0, reservation: admission.open(`t${request % 3}`) };
        }
        expect(admission.bytesInFlight).toBe(open.reduce((sum, { held }) => sum + held, 0));
        // Beside the process's 100: what one request, of at most 60, is above the share of 25.
        expect(admission.bytesInFlight).toBeLessThanOrEqual(100 + 35);
      }
    }),
  );
});

test('one tenant’s large request takes no room from the others, and a second large one waits', () => {
  const admission = new Admission({ processBytes: 100, tenantBytes: 25 });
  const large = admission.open('a');
  expect(large.growTo(100)).toBe(true);
  const others = ['b', 'c', 'd'].map((tenant) => admission.open(tenant));
  expect(others.map((other) => other.growTo(25))).toEqual([true, true, true]);
  const second = admission.open('e');
  expect(second.growTo(26)).toBe(false);
  large.release();
  expect(second.growTo(25)).toBe(true);
});
