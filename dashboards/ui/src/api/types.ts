/** The names of the API's types that the page uses; generated in `schema.d.ts`. */

import type { components } from "./schema";

type Schemas = components["schemas"];

export type Status = Schemas["StatusTold"];
export type Engine = Schemas["Telemetry"];
export type Book = Schemas["BookTold"];
export type Position = Schemas["PositionTold"];
export type Order = Schemas["OrderTold"];
export type Pnl = Schemas["PnlTold"];
export type Limit = Schemas["LimitTold"];
export type KillProgress = Schemas["KillProgress"];
export type Session = Schemas["Session"];
export type Config = Schemas["ConfigTold"];
export type Scan = Schemas["ScanTold"];
export type Scanned = Schemas["Scanned"];
export type Trade = Schemas["TradeTold"];
export type Point = Schemas["PointTold"];
export type Bar = Schemas["BarTold"];
export type Evidence = Schemas["EvidenceTold"];
export type Day = Schemas["DayTold"];

/** An entry of the journal; what it holds beside these depends on its kind. */
export type Entry = Schemas["EntryTold"] & { [name: string]: unknown };
