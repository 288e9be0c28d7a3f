"""Settings: sources, bounds and exactness."""

from decimal import Decimal
from pathlib import Path

import pytest

from flows.domain.errors import ConfigurationError
from flows.domain.imbalance import Zone
from flows.settings import Settings, load


def test_load_nothing_given_is_the_documented_default() -> None:
    settings = load()
    assert settings.zone_rule.zone(301, 100) is Zone.BUY
    assert settings.zone_rule.zone(300, 100) is Zone.NEUTRAL
    assert settings.risk_limits.max_instrument_exposure == 2_500
    assert settings.trading_rules.exit.max_hold_s == 60
    assert settings.paper_rules.order_latency_ms == 20


def test_load_option_beats_environment_beats_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mft.toml"
    file.write_text("target_bps = 30\nstop_bps = 31\nmax_hold_s = 32\n")
    monkeypatch.setenv("MFT_TARGET_BPS", "40")
    monkeypatch.setenv("MFT_STOP_BPS", "41")
    settings = load(file, ["target_bps=50"])
    assert settings.target_bps == 50
    assert settings.stop_bps == 41
    assert settings.max_hold_s == 32


def test_load_toml_float_stays_exact(tmp_path: Path) -> None:
    file = tmp_path / "mft.toml"
    file.write_text("buy_above = 3.1\n")
    assert load(file).buy_above == Decimal("3.1")


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("targt_bps=1", r"Unknown setting 'targt_bps' .*did you mean target_bps\?"),
        ("zzz=1", r"Unknown setting 'zzz' \(--set"),
        ("target_bps", "Expected --set key=value, was 'target_bps'"),
        ("target_bps=high", "Setting target_bps .*was 'high'"),
        ("target_bps=0", "Setting target_bps .*greater than 0"),
        ("capital=NaN", "Setting capital"),
        ("imbalance_depth=0", "Setting imbalance_depth"),
        ("max_position_notional=10001", "Setting max_position_notional"),
        ("max_instrument_share=0.26", "Setting max_instrument_share"),
        ("max_daily_loss=501", "Setting max_daily_loss"),
        ("max_drawdown=1001", "Setting max_drawdown"),
        ("max_orders_per_minute=61", "Setting max_orders_per_minute"),
        ("sell_below=3", r"\(--set\): sell_below must be less than .* was 3 and 3.0"),
        ("capital=1e999999", "Setting capital .*less than or equal to"),
        ("capital=1e-999999", "Setting capital .*no more than 18 decimal places"),
        ("max_hold_s=86401", "Setting max_hold_s .*less than or equal to 86400"),
        ("max_hold_s=" + "9" * 5_000, r"Setting max_hold_s .*9\.\.\.$"),
    ],
)
def test_load_unusable_assignment_raises_error_that_names_it(
    assignment: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        load(None, [assignment])


def test_load_bad_environment_raises_error_that_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MFT_MAX_HOLD_S", "soon")
    with pytest.raises(ConfigurationError, match=r"max_hold_s \(environment\)"):
        load()


def test_load_thresholds_of_two_sources_are_judged_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mft.toml"
    file.write_text("sell_below = 0.1\n")
    monkeypatch.setenv("MFT_BUY_ABOVE", "0.2")
    assert load(file).sell_below < load(file).buy_above == Decimal("0.2")


def test_load_environment_that_is_nearly_a_setting_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MFT_NOTHING_OF_OURS", "1")
    assert load() == Settings()
    monkeypatch.setenv("MFT_TARGT_BPS", "1")
    with pytest.raises(ConfigurationError, match=r"\(environment\); did you mean"):
        load()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_load_every_setting_is_bounded_on_both_sides(name: str) -> None:
    for value in ("-1", "1e15"):
        with pytest.raises(ConfigurationError, match=rf"Setting {name} \(--set\)"):
            load(None, [f"{name}={value}"])


@pytest.mark.parametrize("line", ["target_bps = true", "max_hold_s = true"])
def test_load_truth_value_is_no_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "mft.toml"
    file.write_text(line)
    with pytest.raises(ConfigurationError, match=r"mft\.toml\): expected a number"):
        load(file)


def test_load_settings_alone_never_read_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MFT_TARGET_BPS", "nonsense")
    assert Settings().target_bps == 20


@pytest.mark.parametrize(
    "content",
    [None, b"target_bps = ", b"\xff", b"a=" + b"[" * 9_999, b"a=1e" + b"9" * 30],
)
def test_load_unreadable_file_raises_error_that_names_it(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "mft.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"mft\.toml: cannot read"):
        load(file)


def test_as_text_batch_size_is_left_out() -> None:
    assert load(None, ["batch_size=1"]).as_text() == Settings().as_text()
    assert "batch_size" not in Settings().as_text()
    assert load(None, ["target_bps=1E1"]).as_text()["target_bps"] == "10"
