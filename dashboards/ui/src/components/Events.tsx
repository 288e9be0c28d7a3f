/** What happened and why, newest first; trades and kills have a place of their own. */

import { useMemo } from "react";

import type { Entry } from "../api/types";
import { BOOKS, COMMANDS, REFUSALS, TRADES } from "../lib/events";
import { type Line, linesOf, refusalsIn } from "../lib/feed";
import { clock } from "../lib/format";
import { useEntries } from "./Answers";
import { Asked } from "./Asked";
import { Panel } from "./Parts";
import { type Tab, Tabs } from "./Tabs";

const LIMIT = 100;
const FEW: readonly string[] = [...TRADES, ...COMMANDS];

const NOTHING = "Nothing has happened yet.";

type Tell = (entries: readonly Entry[]) => Line[];

const refusalLines: Tell = (entries) => linesOf(refusalsIn(entries));

function Feed(props: { entries: Entry[]; tell: Tell }) {
  const { entries, tell } = props;
  const lines = useMemo(() => tell(entries), [entries, tell]);
  return (
    <ol className="feed" tabIndex={0} aria-label="Newest events first">
      {lines.map((line) => (
        <li key={line.key} className={line.tone}>
          <time>{clock(line.receivedNs)}</time> {line.text}
          {line.count > 1 && <span className="count"> ×{line.count}</span>}
        </li>
      ))}
    </ol>
  );
}

/** Two questions, so that many refusals push no trade, kill or command out. */
function All() {
  const few = useEntries(FEW, LIMIT);
  const many = useEntries(REFUSALS, LIMIT);
  const entries = useMemo(
    () => few.data && many.data && [...few.data, ...many.data],
    [few.data, many.data],
  );
  const query = {
    data: entries,
    error: few.error ?? many.error,
    isSuccess: few.isSuccess && many.isSuccess,
    isFetching: few.isFetching || many.isFetching,
    refetch: () => Promise.all([few.refetch(), many.refetch()]),
  };
  return (
    <Asked query={query} nothing={NOTHING}>
      {(found) => <Feed entries={found} tell={linesOf} />}
    </Asked>
  );
}

const feedOf = (kinds: readonly string[], tell: Tell = linesOf) =>
  function Some() {
    return (
      <Asked query={useEntries(kinds, LIMIT)} nothing={NOTHING}>
        {(found) => <Feed entries={found} tell={tell} />}
      </Asked>
    );
  };

const TABS: Tab[] = [
  ["All", All],
  ["Trades", feedOf(TRADES)],
  ["Refusals", feedOf(REFUSALS, refusalLines)],
  ["Commands", feedOf(COMMANDS)],
  ["Books", feedOf(BOOKS)],
];

export const Events = () => (
  <Panel title="Why it did, or did not" className="events">
    <Tabs label="Events" tabs={TABS} />
  </Panel>
);
