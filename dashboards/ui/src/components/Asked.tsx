/** What was asked of the API: on its way, failed, nothing, or there. */

import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useRef } from "react";

import { Nothing } from "./Parts";

type Query<T> = Pick<
  UseQueryResult<T>,
  "data" | "error" | "isSuccess" | "isFetching"
> & { refetch: () => Promise<unknown> };

/** Why the last question failed; kept while it is asked again. */
export function useFailure(query: Query<unknown>): string | null {
  const last = useRef<string | null>(null);
  if (query.error) last.current = query.error.message;
  else if (query.isSuccess && !query.isFetching) last.current = null;
  return last.current;
}

export function Failed(props: { why: string; onRetry: () => void }) {
  return (
    <p className="problem failure">
      {props.why}{" "}
      <button type="button" onClick={props.onRetry}>
        Try again
      </button>
    </p>
  );
}

/** Rows of an answer; a question that fails later leaves them, and says so. */
export function Asked<T>(props: {
  query: Query<T[]>;
  nothing: string;
  children: (rows: T[]) => ReactNode;
}) {
  const { query, nothing, children } = props;
  const why = useFailure(query);
  const rows = query.data;
  return (
    <>
      {why !== null && (
        <Failed
          why={rows ? `Not renewed: ${why}` : `Unknown: ${why}`}
          onRetry={() => void query.refetch()}
        />
      )}
      {!rows && why === null && <Nothing>Asking the API</Nothing>}
      {rows?.length === 0 && <Nothing>{nothing}</Nothing>}
      {rows && rows.length > 0 && children(rows)}
    </>
  );
}
