/**
 * A check that a pattern cannot say: how many characters at the start of the match are the secret; 0 refuses the match.
 * Named in `config/redaction.yaml`.
 */
export type Check = (match: string) => number;

export const CHECKS: ReadonlyMap<string, Check> = new Map([
  ['card', whole(isCard)],
  ['basic', whole(isBasicCredentials)],
  ['de_tax_id', whole(isGermanTaxId)],
  ['fr_nir', whole(isFrenchNir)],
  ['iban', ibanLength],
]);

function whole(is: (match: string) => boolean): Check {
  return (match) => (is(match) ? match.length : 0);
}

/** Issuer ranges with their lengths (ISO/IEC 7812): without them one number in ten would pass the check digit alone. */
const CARD =
  /^(?:4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d{2}|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d{2}|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17})$/;

function isCard(match: string): boolean {
  const digits = match.replaceAll(/[ .-]/g, '');
  return CARD.test(digits) && luhn(digits);
}

/** ISO/IEC 7812-1, annex B. */
function luhn(digits: string): boolean {
  let sum = 0;
  for (let at = digits.length - 1, odd = true; at >= 0; at--, odd = !odd) {
    const digit = digits.charCodeAt(at) - 48;
    sum += odd ? digit : digit > 4 ? digit * 2 - 9 : digit * 2;
  }
  return sum % 10 === 0;
}

/** `user:password` in base64 (RFC 7617), so that "basic knowledge" in a text stays. */
function isBasicCredentials(match: string): boolean {
  const text = Buffer.from(match, 'base64').toString('latin1');
  return /^[\x20-\x7e\x80-\xff]{1,256}:[\x20-\x7e\x80-\xff]{0,3072}$/.test(text);
}

/** Steueridentifikationsnummer: one digit of the first ten occurs two or three times, the others once; ISO 7064 MOD 11,10. */
function isGermanTaxId(match: string): boolean {
  const digits = match.replaceAll(' ', '');
  const times = Array.from('0123456789', (digit) => digits.slice(0, 10).split(digit).length - 1);
  if (times.filter((n) => n > 1).length !== 1 || Math.max(...times) > 3) return false;
  let product = 10;
  for (let at = 0; at < 10; at++) {
    const sum = (digits.charCodeAt(at) - 48 + product) % 10 || 10;
    product = (sum * 2) % 11;
  }
  return (11 - product) % 10 === digits.charCodeAt(10) - 48;
}

/** Numéro d'inscription au répertoire, continental form: the key is 97 less the rest by 97. */
function isFrenchNir(match: string): boolean {
  const digits = match.replaceAll(' ', '');
  const month = Number(digits.slice(3, 5));
  return month >= 1 && month <= 12 && 97 - Number(BigInt(digits.slice(0, 13)) % 97n) === Number(digits.slice(13));
}

/** Lengths of the IBAN registry, by country. */
const IBAN_LENGTHS =
  'AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24SI19SK24SM27ST25SV28TN24TR26UA29VA22VG24XK20';

/** Characters of `match` that are one IBAN (ISO 13616), spaces included; 0 when none is. A word in capitals may follow it. */
function ibanLength(match: string): number {
  const country = IBAN_LENGTHS.match(new RegExp(`${match.slice(0, 2)}(\\d\\d)`));
  const wanted = Number(country?.[1] ?? 0);
  let length = 0;
  let compact = '';
  while (compact.length < wanted && length < match.length) {
    const char = match.charAt(length++);
    if (char !== ' ') compact += char;
  }
  const next = match.charAt(length);
  if (wanted === 0 || compact.length !== wanted || (next !== '' && next !== ' ')) return 0;
  const rearranged = compact.slice(4) + compact.slice(0, 4);
  const digits = rearranged.replaceAll(/[A-Z]/g, (letter) => String(letter.charCodeAt(0) - 55));
  return BigInt(digits) % 97n === 1n ? length : 0;
}
