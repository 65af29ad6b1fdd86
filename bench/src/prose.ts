/** What stands in prompts and answers: text as long, as varied and as compressible as such text is. */
export const PROSE =
  `A customer writes that an order came late and asks for what the terms promise in that case. The agent looks the order
up, compares the promised with the actual day of delivery, finds the rule that applies, and answers with the amount, the
reason and the day on which the money will arrive. If the rule leaves a choice it asks a person, and waits. Nothing of
this is remarkable, and that is the point: the text is as long, as varied and as compressible as such text is, so that
deflating, encrypting and hashing it costs what it would cost. `.repeat(3);
