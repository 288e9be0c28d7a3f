/** Positions, orders, limits: what is at stake. */

import { isHeard } from "../api/known";
import { useEngine, useKnown } from "../api/stream";
import type { Limit, Order, Position } from "../api/types";
import { age, words } from "../lib/format";
import { share, shown, subtract } from "../lib/money";
import { LastHeard, NeverHeard } from "./Heard";
import { Badge, type Column, Money, Nothing, Panel, Table } from "./Parts";
import { Ruler } from "./Ruler";

const POSITION_COLUMNS: Column[] = [
  "Symbol",
  "Side",
  [{ name: "Quantity", width: 8 }],
  [{ name: "Gross", width: 8 }],
  [{ name: "Fees paid", width: 8 }],
  [{ name: "Closing fee", width: 8 }],
  [{ name: "Net if closed", width: 8 }],
  [{ name: "Time left", width: 5 }],
  { name: "Leaving", width: 9 },
];

function PositionRows({ position }: { position: Position }) {
  const money = (name: "gross" | "fees" | "closing_fee" | "net", isGain = false) => (
    <td className="number">
      <Money
        value={position[name]}
        isGain={isGain}
        name={`position-${name.replace("_", "-")}`}
      />
    </td>
  );
  return (
    <>
      <tr className="over" data-name={`position-${position.symbol}`}>
        <th scope="row">{position.symbol}</th>
        <td className={position.direction === "LONG" ? "gain" : "loss"}>
          {position.direction}
        </td>
        <td className="number">{position.quantity}</td>
        {money("gross", true)}
        {money("fees")}
        {money("closing_fee")}
        {money("net", true)}
        <td className="number">{position.left_s} s</td>
        <td>{position.closing ? words(position.closing) : "–"}</td>
      </tr>
      <tr>
        <td colSpan={POSITION_COLUMNS.length}>
          <Ruler position={position} />
        </td>
      </tr>
    </>
  );
}

export function Positions() {
  const positions = useEngine((engine) => engine.positions);
  const heard = useKnown(isHeard);
  return (
    <Panel title="Positions" className="positions" aside={<LastHeard />}>
      {!positions ? (
        <NeverHeard />
      ) : positions.length > 0 ? (
        <Table label="Open positions" columns={POSITION_COLUMNS}>
          {positions.map((position) => (
            <PositionRows key={position.symbol} position={position} />
          ))}
        </Table>
      ) : (
        <Nothing>
          {heard ? "Nothing is held." : "Unknown; nothing was held when last heard."}
        </Nothing>
      )}
    </Panel>
  );
}

const ORDER_COLUMNS: Column[] = [
  "Symbol",
  "Side",
  "For",
  [{ name: "Quantity", width: 9 }],
  [{ name: "Price", width: 10 }],
  [{ name: "Filled", width: 9 }],
  { name: "State", width: 16 },
  [{ name: "Age", width: 6 }],
  "Id",
];

function OrderRow({ order }: { order: Order }) {
  const isUnknown = order.status === "UNKNOWN";
  return (
    <tr data-name={`order-${order.symbol}`} className={isUnknown ? "alarming" : ""}>
      <th scope="row">{order.symbol}</th>
      <td>{order.side}</td>
      <td>{words(order.purpose)}</td>
      <td className="number">{order.quantity}</td>
      <td className="number">{order.limit_price ?? "MARKET"}</td>
      <td className="number">{order.filled}</td>
      <td>
        <Badge tone={isUnknown ? "bad" : "plain"}>{words(order.status)}</Badge>
      </td>
      <td className="number">{age(order.age_ms)}</td>
      <td>{order.client_order_id}</td>
    </tr>
  );
}

export function Orders() {
  const orders = useEngine((engine) => engine.orders);
  const heard = useKnown(isHeard);
  if (!orders) return <NeverHeard />;
  if (orders.length === 0) {
    return (
      <Nothing>
        {heard ? "No order is in flight." : "Unknown; no order was in flight."}{" "}
        <LastHeard />
      </Nothing>
    );
  }
  return (
    <Table label="Orders in flight" columns={ORDER_COLUMNS}>
      {orders.map((order) => (
        <OrderRow key={order.client_order_id} order={order} />
      ))}
    </Table>
  );
}

const LIMIT_NAMES: Record<string, string> = {
  gross_exposure: "Gross exposure",
  daily_loss: "Loss today (kills)",
  drawdown: "Drawdown (kills)",
  orders_per_minute: "Orders a minute (kills)",
};

function LimitBar(props: { name: string; limit: Limit }) {
  const { name, limit } = props;
  const used = share(limit.used, limit.limit);
  const label = LIMIT_NAMES[name] ?? `Exposure ${name.replace("exposure.", "")}`;
  const digits = name === "orders_per_minute" ? 0 : 2;
  const left = shown(subtract(limit.limit, limit.used), digits);
  const told = `${shown(limit.used, digits)} of ${shown(limit.limit, digits)}, ${left} left`;
  return (
    <li data-name={`limit-${name}`} data-value={limit.used}>
      <span>{label}</span>
      <span className="number">{told}</span>
      <span
        className="fill"
        role="meter"
        aria-label={label}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(used * 100)}
        aria-valuetext={told}
      >
        <span
          className={used >= 0.9 ? "bad" : used >= 0.6 ? "warn" : "good"}
          style={{ inlineSize: `${used * 100}%` }}
        />
      </span>
    </li>
  );
}

export function Limits() {
  const limits = useEngine((engine) => engine.limits);
  return (
    <Panel title="Risk limits" className="risk" aside={<LastHeard />}>
      {limits ? (
        <ul className="limits">
          {Object.entries(limits).map(([name, limit]) => (
            <LimitBar key={name} name={name} limit={limit} />
          ))}
        </ul>
      ) : (
        <NeverHeard />
      )}
    </Panel>
  );
}

export function Refusals() {
  const refused = useEngine((engine) => engine.counts.refused);
  if (!refused) return <NeverHeard />;
  const counts = Object.entries(refused).sort(([, a], [, b]) => b - a);
  const most = counts[0]?.[1] ?? 1;
  if (counts.length === 0) {
    return (
      <Nothing>
        No signal was refused in this run. <LastHeard />
      </Nothing>
    );
  }
  return (
    <ul className="limits" aria-label="Refused signals of this run by reason">
      {counts.map(([reason, count]) => (
        <li key={reason} data-name={`refused-${reason}`} data-value={count}>
          <span>{words(reason)}</span>
          <span className="number">{count}</span>
          <span className="fill" aria-hidden>
            <span
              style={{ inlineSize: `${(count / most) * 100}%` }}
              className="plain"
            />
          </span>
        </li>
      ))}
    </ul>
  );
}
