/** What happened and why, newest first; trades and kills have a place of their own. */

import { useMemo } from "react";

import { BOOKS, COMMANDS, REFUSALS, TRADES } from "../lib/events";
import { type Line, linesOf } from "../lib/feed";
import { clock } from "../lib/format";
import { useEntries } from "./Answers";
import { Nothing, Panel } from "./Parts";
import { type Tab, Tabs } from "./Tabs";

const LIMIT = 100;
const FEW: readonly string[] = [...TRADES, ...COMMANDS];

function Feed(props: {
  lines: Line[];
  isKnown: boolean;
  problem?: string | undefined;
}) {
  const { lines, isKnown, problem } = props;
  return (
    <>
      {problem && <p className="problem">{problem}</p>}
      <ol className="feed" tabIndex={0} aria-label="Newest events first">
        {lines.map((line) => (
          <li key={line.key} className={line.tone}>
            <time>{clock(line.receivedNs)}</time> {line.text}
            {line.count > 1 && <span className="count"> ×{line.count}</span>}
          </li>
        ))}
      </ol>
      {isKnown && lines.length === 0 && <Nothing>Nothing has happened yet.</Nothing>}
    </>
  );
}

/** Two questions, so that many refusals push no trade, kill or command out. */
function All() {
  const few = useEntries(FEW, LIMIT);
  const many = useEntries(REFUSALS, LIMIT);
  const lines = useMemo(
    () => linesOf([...(few.data ?? []), ...(many.data ?? [])]),
    [few.data, many.data],
  );
  const problem = (few.error ?? many.error)?.message;
  return <Feed lines={lines} isKnown={!!few.data && !!many.data} problem={problem} />;
}

const feedOf = (kinds: readonly string[]) =>
  function Some() {
    const { data, error } = useEntries(kinds, LIMIT);
    const lines = useMemo(() => linesOf(data ?? []), [data]);
    return <Feed lines={lines} isKnown={!!data} problem={error?.message} />;
  };

const TABS: Tab[] = [
  ["All", All],
  ["Trades", feedOf(TRADES)],
  ["Refusals", feedOf(REFUSALS)],
  ["Commands", feedOf(COMMANDS)],
  ["Books", feedOf(BOOKS)],
];

export const Events = () => (
  <Panel title="Why it did, or did not" className="events">
    <Tabs label="Events" tabs={TABS} />
  </Panel>
);
