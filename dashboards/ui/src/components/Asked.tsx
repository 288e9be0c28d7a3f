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

/** That a question failed, and another try; nothing while it has not. */
export function Failure(props: { query: Query<unknown>; what: string }) {
  const { query, what } = props;
  const why = useFailure(query);
  if (why === null) return null;
  return (
    <p className="problem failure">
      {what}: {why}{" "}
      <button type="button" onClick={() => void query.refetch()}>
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
      <Failure query={query} what={rows ? "Not renewed" : "Unknown"} />
      {!rows && why === null && <Nothing>Asking the API</Nothing>}
      {rows?.length === 0 && <Nothing>{nothing}</Nothing>}
      {rows && rows.length > 0 && children(rows)}
    </>
  );
}
