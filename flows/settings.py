"""Settings: every number a user may change, with its unit, bounds and default.

Sources, strongest first: `--set key=value`, environment `MFT_<KEY>`, the TOML file
given by `--config`, the defaults here. Numbers of money are read as Decimal; a TOML
float never passes through binary. A misspelt name is an error in every source; in the
environment, which also holds what is not a setting, one that is nearly a setting is.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from flows.domain.account import TradingRules
from flows.domain.entry import EntryRules
from flows.domain.errors import ConfigurationError
from flows.domain.imbalance import ImbalanceRule
from flows.domain.paper import PaperRules
from flows.domain.position import ExitRules
from flows.domain.risk import RiskLimits
from flows.domain.units import plain

Positive = Annotated[Decimal, Field(gt=0, allow_inf_nan=False, decimal_places=18)]
NotNegative = Annotated[Decimal, Field(ge=0, allow_inf_nan=False, decimal_places=18)]

_MS_PER_HOUR = 3_600_000
_MS_PER_MINUTE = 60_000
_SHOWN = 60


class Settings(BaseSettings):
    """Strategy, risk limits and the paper venue."""

    model_config = SettingsConfigDict(env_prefix="MFT_", frozen=True, extra="forbid")

    imbalance_depth: int = Field(
        5, ge=1, le=50, description="Levels of each side that count towards imbalance."
    )
    buy_above: Positive = Field(
        Decimal("3.0"),
        le=1_000_000,
        description="BUY zone: bid volume > this x ask volume.",
    )
    sell_below: Positive = Field(
        Decimal("0.33"),
        le=1_000_000,
        description="SELL zone: bid volume < this x ask volume.",
    )
    order_notional: Positive = Field(
        Decimal(1000), le=10**12, description="Quote asset to spend on one entry."
    )
    max_slippage_bps: NotNegative = Field(
        Decimal(5), lt=10_000, description="How far past the best price an entry goes."
    )
    target_bps: Positive = Field(
        Decimal(20),
        le=1_000_000,
        description="Gain before fees at which a position is left.",
    )
    stop_bps: Positive = Field(
        Decimal(15),
        le=1_000_000,
        description="Loss before fees at which a position is left.",
    )
    protective_extra_bps: Positive = Field(
        Decimal(35),
        le=1_000_000,
        description="How much wider than stop_bps the stop order at the exchange is.",
    )
    max_hold_s: int = Field(
        60,
        ge=1,
        le=86_400,
        description="Longest time in a position, seconds from its first fill.",
    )
    cooldown_ms: int = Field(
        1000,
        ge=0,
        le=24 * _MS_PER_HOUR,
        description="Pause of a symbol after its closing fill, milliseconds.",
    )
    capital: Positive = Field(
        Decimal(10_000), le=10**12, description="Quote asset that the bot may risk."
    )
    max_position_notional: Positive = Field(
        Decimal(10_000),
        le=10_000,
        description="Largest position; 10,000 is the ceiling.",
    )
    max_instrument_share: Positive = Field(
        Decimal("0.25"),
        le=Decimal("0.25"),
        description="Share of capital per instrument; a quarter is the ceiling.",
    )
    max_daily_loss: Positive = Field(
        Decimal(500), le=500, description="Net loss since 00:00 UTC that kills."
    )
    max_drawdown: Positive = Field(
        Decimal(1000), le=1000, description="Fall from peak equity that kills."
    )
    max_orders_per_minute: int = Field(
        60, ge=1, le=60, description="One more order within 60 s kills."
    )
    max_clock_skew_ms: int = Field(
        1000,
        ge=0,
        le=_MS_PER_MINUTE,
        description="Clock difference to the exchange that stops entries.",
    )
    mark_max_age_ms: int = Field(
        5000,
        ge=1,
        le=_MS_PER_HOUR,
        description="Held symbol unseen for this long: leave, no entries.",
    )
    stale_after_ms: int = Field(
        3000,
        ge=1,
        le=_MS_PER_HOUR,
        description="Silence of a symbol after which its book is STALE.",
    )
    order_latency_ms: int = Field(
        20,
        ge=0,
        le=_MS_PER_MINUTE,
        description="Paper venue: time from decision to arrival.",
    )
    taker_fee_bps: NotNegative = Field(
        Decimal(5),
        le=10_000,
        description="Paper venue: fee of an order that takes liquidity.",
    )
    batch_size: int = Field(
        256, ge=1, le=65_536, description="Frames per batch; never changes a decision."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth(cls, value: object) -> object:
        if isinstance(value, bool):  # else `true` would count as 1
            msg = "expected a number"
            raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors only
        return value

    @model_validator(mode="after")
    def _check_thresholds(self) -> "Settings":
        low, high = self.sell_below, self.buy_above
        if low >= high:
            msg = f"sell_below must be less than buy_above, was {low} and {high}"
            raise ValueError(msg)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """None beside the arguments: `load` merges the sources, knowing each."""
        return (init_settings,)

    @property
    def zone_rule(self) -> ImbalanceRule:
        """When the imbalance is in a zone."""
        return ImbalanceRule(buy_above=self.buy_above, sell_below=self.sell_below)

    @property
    def trading_rules(self) -> TradingRules:
        """When and how the strategy enters and leaves."""
        return TradingRules(
            entry=EntryRules(self.order_notional, self.max_slippage_bps),
            exit=ExitRules(self.target_bps, self.stop_bps, self.max_hold_s),
            cooldown_ms=self.cooldown_ms,
        )

    @property
    def risk_limits(self) -> RiskLimits:
        """The hard limits."""
        return RiskLimits(
            capital=self.capital,
            max_position_notional=self.max_position_notional,
            max_instrument_share=self.max_instrument_share,
            max_daily_loss=self.max_daily_loss,
            max_drawdown=self.max_drawdown,
            max_orders_per_minute=self.max_orders_per_minute,
            max_clock_skew_ms=self.max_clock_skew_ms,
            mark_max_age_ms=self.mark_max_age_ms,
        )

    @property
    def protective_stop_bps(self) -> Decimal:
        """How far from the entry the stop order at the exchange fires."""
        return self.stop_bps + self.protective_extra_bps

    @property
    def paper_rules(self) -> PaperRules:
        """The paper venue's latency and fees."""
        return PaperRules(self.order_latency_ms, self.taker_fee_bps)

    def as_text(self) -> dict[str, str]:
        """Every setting that can change a decision, as plain text."""
        return {
            name: plain(value) if isinstance(value, Decimal) else str(value)
            for name, value in self.model_dump(exclude={"batch_size"}).items()
        }


def load(config: Path | None = None, assignments: Iterable[str] = ()) -> Settings:
    """The effective settings.

    `assignments` are `key=value` texts. Raises ConfigurationError that names the
    setting and its source.
    """
    sources = (
        (str(config), _read_toml(config) if config else {}),
        ("environment", _environment()),
        ("--set", dict(_split(assignment) for assignment in assignments)),
    )
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, given in sources:
        for name, value in given.items():
            _check_name(name, origin)
            values[name], origins[name] = value, origin
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_sentence(error, origins)) from error


def load_kept(settings: Mapping[str, str]) -> Settings:
    """The settings that a run was journalled with; those it did not have, as by now.

    Raises ConfigurationError.
    """
    known = settings.items()
    return load(
        assignments=[f"{k}={v}" for k, v in known if k in Settings.model_fields]
    )


def _check_name(name: str, origin: str) -> None:
    if name in Settings.model_fields:
        return
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    msg = f"Unknown setting {name[:_SHOWN]!r} ({origin}){hint}"
    raise ConfigurationError(msg)


def _sentence(error: ValidationError, origins: Mapping[str, str]) -> str:
    """What is wrong with the first unusable setting, and where it was set."""
    first = error.errors()[0]
    problem = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # several settings contradict each other
        where = ", ".join(sorted(set(origins.values())))
        return f"Settings ({where}): {problem}"
    name = str(first["loc"][0])
    was = repr(first["input"])
    shown = was if len(was) <= _SHOWN else was[:_SHOWN] + "..."
    return f"Setting {name} ({origins[name]}): {problem}, was {shown}"


def _environment() -> dict[str, Any]:
    """Settings by `MFT_<KEY>`, and what is nearly one, so that it is refused."""
    prefix = str(Settings.model_config["env_prefix"])
    names = {
        name[len(prefix) :].lower()
        for name in os.environ
        if name.upper().startswith(prefix)
    }
    slips = {
        name: ""
        for name in sorted(names.difference(Settings.model_fields))
        if difflib.get_close_matches(name, Settings.model_fields, n=1, cutoff=0.8)
    }
    return {**EnvSettingsSource(Settings)(), **slips}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        msg = f"{path}: cannot read the configuration: {error.strerror}"
        raise ConfigurationError(msg) from error
    except (
        ValueError,
        ArithmeticError,
        RecursionError,
    ) as error:  # TOML, UTF-8, digits
        msg = f"{path}: cannot read the configuration: {error}"
        raise ConfigurationError(msg) from error


def _split(assignment: str) -> tuple[str, str]:
    name, separator, value = assignment.partition("=")
    if not separator:
        msg = f"Expected --set key=value, was {assignment!r}"
        raise ConfigurationError(msg)
    return name.strip().lower().replace("-", "_"), value.strip()
