/**
 * Items of a request that are prepared and stored before the next ones are: some 3 KB each beside their bytes, which are all that admission counts. As
 * many as one transaction stores.
 */
const ITEMS_AT_ONCE = 4_096;

/** Does the items of a request share by share, in their order. Sent again after a failure, the shares that were stored are duplicates. */
export async function inShares<T>(items: readonly T[], store: (share: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += ITEMS_AT_ONCE) {
    await store(items.length <= ITEMS_AT_ONCE ? items : items.slice(from, from + ITEMS_AT_ONCE));
  }
}
