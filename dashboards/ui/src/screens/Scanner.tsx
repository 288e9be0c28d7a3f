/** The scanner: which instruments suit the strategy, before anything is traded. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";

import { get, post } from "../api/client";
import type { Scan, Scanned, Session } from "../api/types";
import { Asked, Failure } from "../components/Asked";
import { Badge, Nothing, Panel } from "../components/Parts";
import { moment, percent } from "../lib/format";
import { shown } from "../lib/money";

const DURATIONS: [string, number][] = [
  ["30 seconds", 30],
  ["10 minutes", 600],
  ["1 hour", 3_600],
  ["8 hours", 28_800],
];

const told = (value: string | null | undefined, digits = 2): string =>
  value == null ? "–" : shown(value, digits);

const notSynced = (one: Scanned): string =>
  percent(String(1 - Number(one.synced_share)));

interface Column {
  heading: string;
  hint: string;
  of: (one: Scanned) => string;
  /** null: not measured. */
  rank: (one: Scanned) => number | string | null;
}

type Pick = (one: Scanned) => string | null | undefined;

const rankOf =
  (pick: Pick): Column["rank"] =>
  (one) => {
    const value = pick(one);
    return value == null ? null : Number(value);
  };

const number = (heading: string, hint: string, pick: Pick, digits = 2): Column => ({
  heading,
  hint,
  of: (one) => told(pick(one), digits),
  rank: rankOf(pick),
});

const share = (heading: string, hint: string, pick: Pick): Column => ({
  heading,
  hint,
  of: (one) => percent(pick(one)),
  rank: rankOf(pick),
});

const COLUMNS: Column[] = [
  number("Cost", "round trip, bps: spread, impact and fees", (one) => one.cost_bps),
  number("Spread", "median, bps", (one) => one.spread_bps),
  number("Tick", "bps", (one) => one.tick_bps),
  number(
    "Depth 5",
    "quote asset within 5 bps, thinner side",
    (one) => one.depth_5bps,
    0,
  ),
  number(
    "Depth 10",
    "quote asset within 10 bps, thinner side",
    (one) => one.depth_10bps,
    0,
  ),
  number("Impact", "of the order's size there and back, bps", (one) => one.impact_bps),
  share(
    "Fill",
    "seconds in which an entry would have filled whole within its limit",
    (one) => one.fill_share,
  ),
  {
    heading: "Imbalance",
    hint: "(B - A) / (B + A): 10 % are below the first, half below the second, 90 % below the third",
    of: (one) =>
      [one.imbalance_p10, one.imbalance_p50, one.imbalance_p90]
        .map((share) => told(share))
        .join(" / "),
    rank: rankOf((one) => one.imbalance_p50),
  },
  share("BUY", "share of the time in the BUY zone", (one) => one.buy_share),
  share("SELL", "share of the time in the SELL zone", (one) => one.sell_share),
  number("Signals/h", "entries into a zone", (one) => one.signals_per_hour, 0),
  number("Volatility", "typical move over the hold, bps", (one) => one.volatility_bps),
  number(
    "To target",
    "how far the price must move for it, bps: with spread and impact of the entry",
    (one) => one.target_move_bps,
  ),
  share("Reach", "moments from which it did within the hold", (one) => one.reach_share),
  number("Updates/s", "depth events", (one) => one.updates_per_s, 1),
  {
    heading: "Not synced",
    hint: "share of the watched time",
    of: notSynced,
    rank: (one) => 1 - Number(one.synced_share),
  },
  {
    heading: "Watched",
    hint: "pauses between recordings, and holes in them, are left out",
    of: (one) => `${one.seconds.toLocaleString("en")} s`,
    rank: (one) => one.seconds,
  },
  share(
    "Break-even",
    "win rate that pays for fees and the impact of leaving",
    (one) => one.break_even_win_rate,
  ),
];

const BY_SYMBOL: Column = {
  heading: "Symbol",
  hint: "",
  of: (one) => one.symbol,
  rank: (one) => one.symbol,
};

/** What was not measured comes last, whichever way the rest goes. */
function compare(by: Column, isDescending: boolean, a: Scanned, b: Scanned): number {
  const [x, y] = [by.rank(a), by.rank(b)];
  if (x === null || y === null) return Number(x === null) - Number(y === null);
  const order = x < y ? -1 : x > y ? 1 : 0;
  return isDescending ? -order : order;
}

/** The fees that were assumed, and what they alone ask for. */
function Fees(props: { of: Scanned }) {
  const { fee_bps, fee_source, fee_win_rate } = props.of;
  return (
    <p className="fees">
      Fees of {told(fee_bps)} bps a round trip{fee_source && ` (${fee_source})`} alone
      ask for {percent(fee_win_rate)} of trades to win.
    </p>
  );
}

const TONES: Record<string, string> = {
  suitable: "good",
  doubtful: "warn",
  unsuitable: "bad",
};

function Results(props: { rows: Scanned[] }) {
  const [by, setBy] = useState<Column>(COLUMNS[0] ?? BY_SYMBOL);
  const [isDescending, setIsDescending] = useState(false);
  const [verdict, setVerdict] = useState("");
  const [text, setText] = useState("");
  const rows = useMemo(() => {
    const wanted = props.rows.filter(
      (one) =>
        (!verdict || one.verdict === verdict) &&
        one.symbol.includes(text.toUpperCase()),
    );
    wanted.sort((a, b) => compare(by, isDescending, a, b));
    return wanted;
  }, [props.rows, by, isDescending, verdict, text]);
  const choose = (column: Column): void => {
    setIsDescending(column.heading === by.heading && !isDescending);
    setBy(column);
  };
  return (
    <>
      <div className="filters">
        <label>
          Symbol
          <input value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        <label>
          Verdict
          <select value={verdict} onChange={(event) => setVerdict(event.target.value)}>
            <option value="">all</option>
            {Object.keys(TONES).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <span>
          {rows.length} of {props.rows.length}
        </span>
      </div>
      {props.rows[0] && <Fees of={props.rows[0]} />}
      <div className="scrolled" role="region" aria-label="Instruments" tabIndex={0}>
        <table className="scan">
          <thead>
            <tr>
              {[BY_SYMBOL, ...COLUMNS].map((column) => (
                <th
                  key={column.heading}
                  scope="col"
                  className={column === BY_SYMBOL ? undefined : "number"}
                  title={column.hint}
                  aria-sort={
                    column.heading === by.heading
                      ? isDescending
                        ? "descending"
                        : "ascending"
                      : "none"
                  }
                >
                  <button
                    type="button"
                    className="plain"
                    onClick={() => choose(column)}
                  >
                    {column.heading}
                    {column.heading === by.heading && (isDescending ? " ↓" : " ↑")}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          {rows.map((one) => (
            <tbody key={one.symbol} data-name={`scan-${one.symbol}`}>
              <tr>
                <th scope="row">{one.symbol}</th>
                {COLUMNS.map((column) => (
                  <td key={column.heading} className="number">
                    {column.of(one)}
                  </td>
                ))}
              </tr>
              <tr className="verdict">
                <td colSpan={COLUMNS.length + 1}>
                  <p>
                    <Badge tone={TONES[one.verdict] ?? "plain"}>{one.verdict}</Badge>{" "}
                    {one.reasons.join("; ")}.
                  </p>
                </td>
              </tr>
            </tbody>
          ))}
        </table>
      </div>
    </>
  );
}

function Order(props: { isShut: boolean; onStarted: () => void }) {
  const [source, setSource] = useState("live");
  const [symbols, setSymbols] = useState("BTCUSDT, ETHUSDT");
  const [duration, setDuration] = useState(600);
  const [problem, setProblem] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setProblem("");
    const names = symbols.split(/[\s,]+/).map((name) => name.toUpperCase());
    const order = { source, symbols: names.filter(Boolean), duration_s: duration };
    post("/scanner/start", order).then(props.onStarted, (error: Error) =>
      setProblem(error.message),
    );
  };
  return (
    <form className="order" onSubmit={submit}>
      <label>
        Market
        <select value={source} onChange={(event) => setSource(event.target.value)}>
          <option value="live">live</option>
          <option value="recorded">what the engine recorded</option>
        </select>
      </label>
      <label>
        Symbols
        <input value={symbols} onChange={(event) => setSymbols(event.target.value)} />
      </label>
      {source === "live" && (
        <label>
          For
          <select
            value={duration}
            onChange={(event) => setDuration(Number(event.target.value))}
          >
            {DURATIONS.map(([name, seconds]) => (
              <option key={seconds} value={seconds}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <button type="submit" className="primary" disabled={props.isShut}>
        Scan
      </button>
      {problem && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}

export function Scanner(props: { session: Session }) {
  const isOperator = props.session.role === "operator";
  const queries = useQueryClient();
  const [problem, setProblem] = useState("");
  const [chosen, setChosen] = useState("");
  const status = useQuery({
    queryKey: ["scan"],
    queryFn: () => get<Scan | null>("/scanner/status"),
    refetchInterval: 1_000,
  });
  const scan = status.data;
  const scans = useQuery({
    queryKey: ["scans", scan?.scan_id, scan?.is_running],
    queryFn: () => get<Scan[]>("/scanner/scans?limit=20"),
  });
  const shownId = chosen || scan?.scan_id || "";
  const results = useQuery({
    queryKey: ["scanned", shownId, scan?.is_running],
    queryFn: () => get<Scanned[]>(`/scanner/results?scan_id=${shownId}`),
    enabled: shownId !== "",
  });
  const wholeS = scan?.asked.source === "live" ? scan.asked.duration_s : null;
  return (
    <main className="scanner">
      <h1>Scanner</h1>
      <p className="lead">
        What each market costs and how often it moves enough, for the order, target,
        stop and fees of the engine. Nothing here predicts a price.
      </p>
      <Panel title="New scan">
        <Order
          isShut={!isOperator || scan === undefined || scan?.is_running === true}
          onStarted={() => {
            setChosen("");
            void queries.invalidateQueries({ queryKey: ["scan"] });
          }}
        />
        {scan?.is_running && (
          <p className="running" role="status">
            Scanning for {scan.elapsed_s} s{wholeS !== null && ` of ${wholeS} s`}
            {wholeS !== null && <progress max={wholeS} value={scan.elapsed_s} />}
            <button
              type="button"
              disabled={!isOperator}
              onClick={() => {
                setProblem("");
                post("/scanner/stop").catch((error: Error) =>
                  setProblem(error.message),
                );
              }}
            >
              End it now
            </button>
          </p>
        )}
        <Failure query={status} what="Whether a scan runs is not known" />
        {(problem || scan?.problem) && (
          <p className="problem" role="alert">
            {problem || scan?.problem}
          </p>
        )}
      </Panel>
      <Panel
        title="Results"
        aside={
          (scans.data?.length ?? 0) > 1 ? (
            <label>
              Scan{" "}
              <select
                value={shownId}
                onChange={(event) => setChosen(event.target.value)}
              >
                {scans.data?.map((one) => (
                  <option key={one.scan_id} value={one.scan_id}>
                    {moment(one.started_ns)} {one.asked.source}
                  </option>
                ))}
              </select>
            </label>
          ) : null
        }
      >
        {shownId ? (
          <Asked
            query={results}
            nothing={
              scan?.is_running && scan.scan_id === shownId
                ? "Results come when the scan has ended."
                : "This scan has no result."
            }
          >
            {(rows) => <Results rows={rows} />}
          </Asked>
        ) : (
          scan === null && <Nothing>No scan was made yet.</Nothing>
        )}
      </Panel>
    </main>
  );
}
