/** Small parts that every screen uses. */

import type { ReactNode } from "react";

import { shown, signOf } from "../lib/money";

/** An amount: coloured by its sign where it is a gain or a loss; exact on hover. */
export function Money(props: {
  value: string;
  digits?: number;
  isGain?: boolean;
  name?: string;
}) {
  const { value, digits = 2, isGain = false, name } = props;
  const sign = signOf(value);
  const tone = !isGain || sign === 0 ? "" : sign > 0 ? "gain" : "loss";
  const plus = isGain && sign > 0 ? "+" : "";
  return (
    <span
      className={`number ${tone}`}
      title={value}
      data-name={name}
      data-value={value}
    >
      {plus}
      {shown(value, digits)}
    </span>
  );
}

export function Badge(props: { tone: string; children: ReactNode; name?: string }) {
  return (
    <span className={`badge ${props.tone}`} data-name={props.name}>
      {props.children}
    </span>
  );
}

/** The colour of a book's state. */
export const stateTone = (state: string): string =>
  state === "SYNCED"
    ? "good"
    : state === "EMPTY" || state === "BRIDGING"
      ? "plain"
      : "bad";

export const zoneTone = (zone: string | null | undefined): string =>
  zone === "BUY" ? "good" : zone === "SELL" ? "bad" : "plain";

/** A titled part of a screen. */
export function Panel(props: {
  title: string;
  className?: string;
  aside?: ReactNode;
  children: ReactNode;
}) {
  return (
    <section className={`panel ${props.className ?? ""}`} aria-label={props.title}>
      <header>
        <h2>{props.title}</h2>
        {props.aside}
      </header>
      {props.children}
    </section>
  );
}

export const Nothing = (props: { children: ReactNode }) => (
  <p className="nothing">{props.children}</p>
);

/** A heading, and room for so many characters that is kept whatever they are. */
interface Roomy {
  name: string;
  width: number;
}

/** A heading; in brackets it stands over numbers. */
export type Column = string | Roomy | [string | Roomy];

const headingOf = (column: Column): string | Roomy =>
  Array.isArray(column) ? column[0] : column;

function nameOf(column: Column): string {
  const heading = headingOf(column);
  return typeof heading === "string" ? heading : heading.name;
}

/** The heading keeps the room: so no text moves its neighbours as it changes. */
function Heading({ column }: { column: Column }) {
  const heading = headingOf(column);
  const width = typeof heading === "string" ? undefined : `${heading.width}ch`;
  return (
    <span className="room" style={{ minInlineSize: width }}>
      {nameOf(column)}
    </span>
  );
}

/** A table that scrolls by itself where it is wider than its place. */
export function Table(props: {
  label: string;
  columns: Column[];
  children: ReactNode;
}) {
  return (
    <div className="scrolled" role="region" aria-label={props.label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th
                key={nameOf(column)}
                scope="col"
                className={Array.isArray(column) ? "number" : ""}
              >
                <Heading column={column} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}
